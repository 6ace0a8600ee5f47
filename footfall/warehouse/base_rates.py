"""What is left to say where no model may score: how often a segment's customers do it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row

from footfall.warehouse.features import label_number
from footfall.warehouse.verdicts import pending_loads

if TYPE_CHECKING:
    from ml.labels import Label


@dataclass(frozen=True)
class Rates:
    """How many customers did it, or what they brought in, and how many there were, by RFM segment.

    ``as_of`` is the snapshot whose labels were counted; the segment None is that of customers who
    had not ordered.
    """

    as_of: datetime
    by_segment: Mapping[str | None, tuple[float, int]]

    @property
    def of_all(self) -> tuple[float, int]:
        """The sums over all segments."""
        pairs = self.by_segment.values()
        return sum(happened for happened, _ in pairs), sum(customers for _, customers in pairs)


@dataclass(frozen=True)
class Customer:
    """One customer of a model's population, and their RFM segment if they have one."""

    customer_id: str
    segment: str | None


def newest_rates(
    connection: Connection[TupleRow], label: "Label", *, as_of: datetime
) -> Rates | None:
    """Count the newest labels that were known by ``as_of``; None when none is."""
    column = sql.Identifier(label.column)
    row = connection.execute(
        sql.SQL(
            "select max(as_of) from analytics.customer_labels where {} is not null and as_of <= %s"
        ).format(column),
        (as_of - label.horizon,),
    ).fetchone()
    if row is None or row[0] is None:
        return None
    counted = connection.execute(
        sql.SQL(
            "select rfm.segment, sum({number})::double precision, count(*)"
            " from analytics.customer_labels as labels"
            " join analytics.dim_customers as customers using (customer_id)"
            " left join analytics.customer_rfm as rfm"
            "   on labels.customer_id = rfm.customer_id and labels.as_of = rfm.as_of"
            " where labels.as_of = %s and labels.{column} is not null and customers.is_profilable"
            " group by rfm.segment"
        ).format(number=label_number(label, "labels"), column=column),
        (row[0],),
    ).fetchall()
    return Rates(row[0], {segment: (done, total) for segment, done, total in counted})


def population(
    connection: Connection[TupleRow], label: "Label", *, as_of: datetime
) -> list[Customer]:
    """Return whom a label is about at an instant, by customer_id."""
    active = (
        sql.SQL("features.{} > 0").format(sql.Identifier(label.activity_column))
        if label.activity_column
        else sql.SQL("true")
    )
    with connection.cursor(row_factory=class_row(Customer)) as cursor:
        return cursor.execute(
            sql.SQL(
                "select features.customer_id, rfm.segment"
                " from analytics.customer_features as features"
                " join analytics.dim_customers as customers using (customer_id)"
                " left join analytics.customer_rfm as rfm"
                "   on features.customer_id = rfm.customer_id and features.as_of = rfm.as_of"
                " where features.as_of = %s and {} and customers.is_profilable"
                " order by features.customer_id"
            ).format(active),
            (as_of,),
        ).fetchall()


def newest_event_waiting(connection: Connection[TupleRow]) -> datetime | None:
    """Return the newest event of the loads that no finished build has taken in; None: none."""
    row = connection.execute(
        "select max(newest_event_at) from raw.loads where load_id = any(%s)",
        (pending_loads(connection),),
    ).fetchone()
    return row[0] if row else None
