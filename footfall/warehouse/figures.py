"""A few figures that say what the warehouse holds."""

from dataclasses import dataclass
from decimal import Decimal
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

_LOADED: LiteralString = """
    select * from (
        select
            coalesce(sum(stored), 0)::bigint as stored,
            coalesce(sum(duplicates), 0)::bigint as duplicates,
            coalesce(sum(rejected), 0)::bigint as rejected
        from raw.loads
        where kind = 'events'
    ) as loaded
"""
_ORDERS: LiteralString = """
    cross join (
        select
            count(*) as orders,
            count(distinct customer_id) as customers,
            coalesce(sum(net_revenue), 0)::numeric as net_revenue
        from analytics.fct_orders
    ) as built
"""


@dataclass(frozen=True)
class Figures:
    """Events as loaded; orders, customers and revenue as built (None: not built yet)."""

    stored: int
    duplicates: int
    rejected: int
    orders: int | None = None
    customers: int | None = None
    net_revenue: Decimal | None = None


def figures(connection: Connection[TupleRow]) -> Figures:
    """Count what is loaded and built."""
    built = connection.execute("select to_regclass('analytics.fct_orders') is not null").fetchone()
    query = _LOADED + _ORDERS if built and built[0] else _LOADED
    with connection.cursor(row_factory=class_row(Figures)) as cursor:
        row = cursor.execute(query).fetchone()
    assert row is not None
    return row


def customers_to_show(connection: Connection[TupleRow], score_set: int, most: int) -> list[str]:
    """Return customers of a score set: of each model in turn, the one with the highest score."""
    rows = connection.execute(
        "with ranked as ("
        "  select customer_id, row_number() over ("
        "    partition by model_id"
        "    order by coalesce(probability, amount) desc, customer_id) as place"
        "  from ml.scores where score_set = %s)"
        " select customer_id from ranked group by customer_id"
        " order by min(place), customer_id limit %s",
        (score_set, most),
    )
    return [customer_id for (customer_id,) in rows]
