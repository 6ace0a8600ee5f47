"""Read features and labels as of, in bulk: what ml trains on and scores."""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from footfall.errors import NotReady

if TYPE_CHECKING:
    import pandas as pd

    from ml.labels import Label


def built_through(connection: Connection[TupleRow]) -> datetime:
    """Return the instant that the newest finished build reaches.

    Raises:
        NotReady: nothing is built yet.
    """
    row = connection.execute(
        "select built_through from ops.builds where finished_at is not null"
        " order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        raise NotReady("nothing is built yet; run: footfall build")
    built: datetime = row[0]
    return built


def first_event_at(connection: Connection[TupleRow]) -> datetime:
    """Return when the shop's first customer was first seen.

    Raises:
        NotReady: there is no customer.
    """
    row = connection.execute("select min(first_seen_at) from analytics.dim_customers").fetchone()
    if row is None or row[0] is None:
        raise NotReady("the warehouse has no customer; run: footfall ingest, then: footfall build")
    first: datetime = row[0]
    return first


def feature_columns(connection: Connection[TupleRow]) -> list[str]:
    """Return the features that the warehouse has, in its order; empty before a build."""
    return [
        name
        for (name,) in connection.execute(
            "select column_name::text from information_schema.columns"
            " where table_schema = 'analytics' and table_name = 'customer_features'"
            " and column_name not in ('customer_id', 'as_of') order by ordinal_position"
        )
    ]


def require_columns(connection: Connection[TupleRow], names: Sequence[str]) -> None:
    """Check that the warehouse has these features.

    Raises:
        NotReady: it lacks some; names the first.
    """
    there = set(feature_columns(connection))
    if lacking := [name for name in names if name not in there]:
        raise NotReady(
            f"analytics.customer_features has no {lacking[0]}; rebuild it with: "
            "footfall build --full-refresh, or train the models again"
        )


def read_labelled(
    connection: Connection[TupleRow],
    label: "Label",
    as_ofs: Sequence[datetime],
    names: Sequence[str],
) -> "pd.DataFrame":
    """Read the labelled snapshots of customers who allow profiling today.

    Args:
        connection: to the warehouse.
        label: what is predicted; rows outside its population are left out.
        as_ofs: the snapshots.
        names: the features to read.

    Returns:
        customer_id, as_of (UTC), the features as float64 (null = NaN) and ``label`` (0.0 or 1.0),
        ordered by as_of and customer_id.
    """
    query = sql.SQL(
        "select f.customer_id, f.as_of, {features}, l.{label}::integer as label"
        " from analytics.customer_features f"
        " join analytics.customer_labels l using (customer_id, as_of)"
        " join analytics.dim_customers c using (customer_id)"
        " where c.is_profilable and l.{label} is not null and f.as_of = any({as_ofs})"
        " order by f.as_of, f.customer_id"
    ).format(
        features=_columns(names),
        label=sql.Identifier(label.column),
        as_ofs=sql.Literal(list(as_ofs)),
    )
    return _read(connection, query, {**dict.fromkeys(names, "float64"), "label": "float64"})


def read_snapshot(
    connection: Connection[TupleRow],
    as_of: datetime,
    names: Sequence[str],
    *,
    activity_column: str | None,
    chunk_rows: int,
) -> Iterator["pd.DataFrame"]:
    """Yield the features of one instant in chunks, ordered by customer_id.

    Args:
        connection: to the warehouse; in one repeatable-read transaction, so that all chunks agree.
        as_of: the instant.
        names: the features to read.
        activity_column: only customers whose feature of this name is greater than 0; None = all.
        chunk_rows: at most so many rows at once.
    """
    active = (
        sql.SQL("f.{} > 0").format(sql.Identifier(activity_column))
        if activity_column
        else sql.SQL("true")
    )
    after = ""
    while True:
        query = sql.SQL(
            "select f.customer_id, f.as_of, {features}"
            " from analytics.customer_features f join analytics.dim_customers c using (customer_id)"
            " where f.as_of = {as_of} and f.customer_id > {after} and {active} and c.is_profilable"
            " order by f.customer_id limit {rows}"
        ).format(
            features=_columns(names),
            as_of=sql.Literal(as_of),
            after=sql.Literal(after),
            active=active,
            rows=sql.Literal(chunk_rows),
        )
        frame = _read(connection, query, dict.fromkeys(names, "float64"))
        if not frame.empty:
            after = str(frame["customer_id"].iloc[-1])
            yield frame
        if len(frame) < chunk_rows:
            return


def _columns(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("f.{}").format(sql.Identifier(name)) for name in names)


def _read(
    connection: Connection[TupleRow], query: sql.Composed, types: dict[str, Any]
) -> "pd.DataFrame":
    import pandas as pd

    text = io.BytesIO()
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy ({}) to stdout (format csv, header)").format(query)) as copy,
    ):
        for block in copy:
            text.write(block)
    text.seek(0)
    frame = pd.read_csv(text, dtype={"customer_id": "str", **types})
    return frame.assign(as_of=pd.to_datetime(frame["as_of"], utc=True, format="ISO8601"))
