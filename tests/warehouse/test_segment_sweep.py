"""Stays found by sweeping over steps are those that one finds by looking at every instant."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.stack.servers import Status
from footfall.warehouse.connection import connect
from footfall.warehouse.segment_sql import compiled
from footfall.warehouse.segments import Version
from tests.conftest import new_database, set_environment
from tests.warehouse.brute_force import GRID, NOON, Happening, stays

LAST = 60  # no window is longer, and nothing happens later
TABLES = """
    create table analytics.dim_customers (customer_id text, is_profilable boolean);
    create table intermediate.int_identity_spans (
        ref text, customer_id text, known_until timestamptz);
    create table intermediate.int_events_admitted (
        message_id text, event_name text, ref text, occurred_at timestamptz, shop_session_id text,
        product_id text, category text, product_value numeric);
    create table intermediate.int_order_entries (
        order_id text, ref text, ordered_at timestamptz, known_at timestamptz, is_order boolean,
        amount numeric);
    create table analytics.fct_order_lines (order_id text, product_id text, category text);
"""


def rule(*when: Mapping[str, Any], per: str | None = None) -> dict[str, Any]:
    return {"per": per, "when": list(when)}


def condition(
    measure: str, of: Sequence[str], comparison: str, bound: float = 0, within: int | None = None
) -> dict[str, Any]:
    return {
        "measure": measure,
        "of": list(of),
        "comparison": comparison,
        "bound": str(bound),
        "within_minutes": within,
    }


VIEWS, SALES = ("product_view",), ("purchase",)
RULES = [
    rule(condition("events", VIEWS, "at_least", 2, 5)),
    rule(condition("events", VIEWS, "more_than", 2)),
    rule(condition("events", ["product_view", "purchase", "refund"], "at_least", 3, 10)),
    rule(condition("shop_sessions", ["any"], "more_than", 1, 5)),
    rule(condition("shop_sessions", SALES, "at_least", 1, 20)),
    rule(condition("products", ["any"], "at_least", 2, 7)),
    rule(condition("products", SALES, "at_least", 2)),
    rule(condition("value", SALES, "at_least", 10, 15)),
    rule(condition("value", ["add_to_cart", "purchase"], "more_than", 12.5, 30)),
    rule(condition("cart_value", [], "more_than", 9)),
    rule(condition("cart_value", [], "at_least", 5, 6)),
    rule(condition("events", SALES, "at_least", 1), condition("events", SALES, "none", 0, 12)),
    rule(condition("events", VIEWS, "at_least", 1, 9), condition("events", SALES, "fewer_than", 2)),
    rule(condition("value", SALES, "none"), condition("events", VIEWS, "at_least", 1)),
    rule(
        condition("events", VIEWS, "at_least", 2, 10),
        condition("events", SALES, "none", 0, 10),
        per="category",
    ),
    rule(condition("products", ["any"], "at_least", 2, 10), per="category"),
    rule(condition("events", ["purchase", "add_to_cart"], "at_least", 2, 20), per="category"),
    rule(
        condition("shop_sessions", VIEWS, "at_least", 1, 3),
        condition("value", ["add_to_cart"], "fewer_than", 5, 8),
        per="category",
    ),
]

CUSTOMERS = 60
CATEGORIES, PRODUCTS = ("x", "y", None), ("p1", "p2", "p3")
SESSIONS = ("s1", "s2", None)
VALUES = tuple(Decimal(n) for n in ("0", "3", "4.99", "5", "10"))
BROWSING = ("product_view", "product_view", "add_to_cart", "add_to_cart", "remove_from_cart")


def past(random: Random) -> list[Happening]:
    """Return what one customer does in a busy half-hour; some orders are given back, in part."""
    happened = [_look(random) for _ in range(random.randint(0, 14))]
    for number in range(random.randint(0, 3)):
        bought = _order(random, f"o{number}")
        happened.append(bought)
        if random.random() < 0.4:
            back = random.choice([Decimal(1), bought.value])
            later = bought.minute + random.randint(0, 12)
            happened.append(Happening(later, "refund", value=back, order_id=bought.order_id))
    random.shuffle(happened)
    return happened


def _look(random: Random) -> Happening:
    return Happening(
        minute=random.randint(0, 24),
        kind=random.choice(BROWSING),
        category=random.choice(CATEGORIES),
        product_id=random.choice([*PRODUCTS, None]),
        shop_session_id=random.choice(SESSIONS),
        value=random.choice([*VALUES, None]),
    )


def _order(random: Random, order_id: str) -> Happening:
    products = random.sample(PRODUCTS, random.randint(0, 3))
    return Happening(
        minute=random.randint(0, 24),
        kind="purchase",
        shop_session_id=random.choice(SESSIONS),
        value=random.choice(VALUES),
        order_id=order_id,
        lines=tuple((product, random.choice(CATEGORIES)) for product in products),
    )


class Statement:
    """The SQL of all rules, and where to run it."""

    def __init__(self, connection: Connection[TupleRow], sql: bytes) -> None:
        self.connection, self.sql = connection, sql


@pytest.fixture(scope="module")
def statement(servers: Status) -> Iterator["Statement"]:
    """Give the SQL of all rules, on tables that the test fills itself."""
    with pytest.MonkeyPatch.context() as patch, new_database(servers) as address:
        set_environment(patch, postgres_dsn=address)
        versions = [
            Version(
                name=f"r{number:02}",
                version=1,
                sha256="",
                definition=definition,
                owner="",
                description="",
                registered_at=NOON,
                is_in_file=True,
                is_active=True,
                evaluated_by=1,
            )
            for number, definition in enumerate(RULES)
        ]
        sql = compiled(versions)
        with connect(autocommit=True) as connection:
            connection.execute(TABLES)
            yield Statement(connection, sql.encode())


@effort(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_the_sweep_finds_the_stays_that_looking_at_every_instant_finds(statement, seed):
    random = Random(seed)
    everybody = [past(random) for _ in range(CUSTOMERS)]
    connection = statement.connection
    with connection.transaction(force_rollback=True):
        fill(connection, everybody)
        found = {
            (customer, segment, minute(entered), minute(left))
            for customer, segment, entered, left in connection.execute(
                b"select customer_id, segment, entered_at, nullif(left_at, 'infinity') from ("
                + statement.sql
                + b") as stays"
            )
        }
    expected = {
        (f"c{number}", f"r{n:02}", since, until)
        for number, past in enumerate(everybody)
        for n, definition in enumerate(RULES)
        for since, until in stays(definition, past, LAST)
    }
    assert found == expected
    # every rule has said yes to somebody
    assert {segment for _, segment, _, _ in found} == {f"r{n:02}" for n in range(len(RULES))}


def minute(at: datetime | None) -> float:
    return inf if at is None else (at - NOON) / GRID


def fill(connection: Any, everybody: Sequence[Sequence[Happening]]) -> None:
    """Have the warehouse know this, in the shape of its own tables."""
    events, entries, lines = [], [], []
    for number, past in enumerate(everybody):
        connection.execute("insert into analytics.dim_customers values (%s, true)", (f"c{number}",))
        connection.execute(
            "insert into intermediate.int_identity_spans values (%s, %s, 'infinity')",
            (f"u:{number}", f"c{number}"),
        )
        placed = {one.order_id: one.at for one in past if one.kind == "purchase"}
        for n, one in enumerate(past):
            price = None if one.order_id else one.value
            events.append(
                (
                    *(f"m{number}.{n}", one.kind, f"u:{number}", one.at, one.shop_session_id),
                    *(one.product_id, one.category, price),
                )
            )
            order = f"{number}.{one.order_id}"
            if one.order_id:
                is_order = one.kind == "purchase"
                amount = one.value if is_order else -(one.value or Decimal(0))
                entries.append(
                    (order, f"u:{number}", placed[one.order_id], one.at, is_order, amount)
                )
            lines += [(order, *line) for line in one.lines]
    cursor = connection.cursor()
    for table, rows in (
        ("intermediate.int_events_admitted", events),
        ("intermediate.int_order_entries", entries),
        ("analytics.fct_order_lines", lines),
    ):
        if rows:
            places = ", ".join(["%s"] * len(rows[0]))
            cursor.executemany(f"insert into {table} values ({places})", rows)
