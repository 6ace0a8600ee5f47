"""The tables of the bench: Footfall's own, emptied before each run, and copies of it for others."""

from collections.abc import Iterable
from pathlib import Path

import psycopg

from bench.process import NotMeasured
from footfall.settings import settings
from footfall.stack.home import Home

EMPTY = (
    "truncate raw.events, raw.loads, raw.rejected_events, raw.partition_offsets, raw.gaps,"
    " ops.build_loads restart identity cascade"
)
# Where a row came from need not be said.
_ANY_PLACE = (
    "alter table {table} alter load_id set default 0, alter kafka_topic set default '',"
    " alter kafka_partition set default -1, alter kafka_offset set default -1"
)
# One table with a unique message_id, which is what other tools tell duplicates by.
PLAIN = (
    "create schema if not exists bench",
    "drop table if exists {table}",
    "create table {table} (like raw.events including defaults, primary key (message_id))",
    "create index on {table} using brin (load_id) with (pages_per_range = 32)",
    "create index on {table}"
    " using brin (occurred_at timestamptz_minmax_multi_ops) with (pages_per_range = 32)",
    _ANY_PLACE,
)
# The same columns, keys, indexes and partitions as raw.events, and a table of keys beside it.
ALIKE = (
    "create schema if not exists bench",
    "drop table if exists {table}, {table}_keys",
    "create table {table} (like raw.events including all) partition by range (occurred_at)",
    """
    do $$
    declare
        name text;
        bounds text;
    begin
        for name, bounds in
            select relname, pg_get_expr(relpartbound, pg_class.oid)
            from pg_inherits inner join pg_class on pg_class.oid = inhrelid
            where inhparent = 'raw.events'::regclass
        loop
            execute format('create table {table}_%s partition of {table} %s', name, bounds);
        end loop;
    end
    $$
    """,
    "create table {table}_keys (like raw.message_keys including all)",
)


def empty() -> None:
    """Forget all that Footfall has loaded."""
    _execute(EMPTY)
    settle()


def make(table: str) -> None:
    """Make an empty table for the events, as other tools expect one."""
    _make(table, PLAIN)


def make_alike(table: str) -> None:
    """Make an empty table like raw.events, and ``<table>_keys`` like raw.message_keys."""
    _make(table, ALIKE)


def _make(table: str, statements: Iterable[str]) -> None:
    for statement in statements:
        _execute(statement.format(table=table))
    settle()


def settle() -> None:
    """Write out what earlier runs left in memory, so that no run pays for another."""
    with psycopg.connect(_admin(), autocommit=True) as connection:
        connection.execute("checkpoint")


def count(table: str) -> int:
    """Return how many rows a table has."""
    return _numbers(f"select count(*) from {table}")[0]


def check(table: str, *, expected: int, rejected: int | None = None) -> None:
    """Make sure that each event is there once.

    Raises:
        NotMeasured: it is not.
    """
    found, distinct = _numbers(f"select count(*), count(distinct message_id) from {table}")
    if (found, distinct) != (expected, expected):
        raise NotMeasured(f"{expected} events sent, {found} stored, {distinct} distinct")
    if rejected is not None and (aside := count("raw.rejected_events")) != rejected:
        raise NotMeasured(f"{rejected} malformed records sent, {aside} set aside")


def _execute(statement: str) -> None:
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        connection.execute(statement.encode())


def _numbers(statement: str) -> tuple[int, ...]:
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None, "the statement returns one row"
    return row


def _admin() -> str:
    return str(Home(Path(settings().home)).read()["services"]["postgres"]["admin_dsn"])
