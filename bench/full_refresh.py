"""A full refresh of many events: how long, in how much memory, and which statements."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench import history, statements
from bench.curve import WEEKS, short
from bench.late import FOOTFALL
from bench.process import NotMeasured, SharedOnce, run
from bench.server import database, postmaster
from bench.statements import Statement
from footfall.settings import settings
from footfall.warehouse.connection import transaction

EVENTS_AT_ONCE = 20_000
TELL_EVERY = 500_000
BYTES_PER_EVENT = 3_000  # of disk: the events, what is built of them, and what Postgres logs
LONGEST_SECONDS = 3_600
TOP = 12
TARGET_EVENTS_PER_SECOND = 10_000_000 / 600
TARGET_MB = 4_096  # Postgres and dbt together


@dataclass(frozen=True)
class Refresh:
    """One full refresh."""

    events: int
    storing_seconds: float
    seconds: float
    postgres_mb: float
    dbt_mb: float
    database_mb: float
    statements: list[Statement]


def measure(admin_dsn: str, *, events: int, folder: Path, say: Callable[[str], None]) -> Refresh:
    """Store so many events, then build everything from them, with four snapshots.

    Raises:
        NotMeasured: the disk is too full for it, or the build failed.
    """
    need, free = events * BYTES_PER_EVENT, shutil.disk_usage(folder).free
    if free < need:
        raise NotMeasured(
            f"{events:,} events need {need / 1e9:.1f} GB of disk, {free / 1e9:.1f} are free at "
            f"{folder}; set TMPDIR to a folder on another disk, or give fewer --events"
        )
    say(f"full refresh: storing {events:,} events, which needs up to {need / 1e9:.1f} GB of disk")
    with database("refresh", admin_dsn):
        customers = max(history.CUSTOMERS, events // history.EVENTS_PER_CUSTOMER)
        started, told = time.monotonic(), 0

        def tell(stored: int) -> None:
            nonlocal told
            if stored - told >= TELL_EVERY:
                told = stored
                say(f"stored {stored:,} in {time.monotonic() - started:.0f} s")

        shop = history.history(customers, new_loads=1)
        stored = history.store(shop, at_once=EVENTS_AT_ONCE, tell=tell)
        storing = time.monotonic() - started
        _ask_for_snapshots()
        statements.forget(admin_dsn)
        say(f"building {stored.events:,} events anew")
        command = [FOOTFALL, "build", "--full-refresh", "--as-of", history.END.isoformat()]
        with SharedOnce(postmaster()) as memory:
            done = run(command, cwd=folder, env=dict(os.environ), longest=LONGEST_SECONDS)
        return Refresh(
            events=stored.events,
            storing_seconds=storing,
            seconds=done.seconds,
            postgres_mb=memory.megabytes,
            dbt_mb=done.peak_mb,
            database_mb=_database_mb(),
            statements=statements.seen(admin_dsn),
        )


def show(refresh: Refresh, *, load: str) -> None:
    """Print its figures."""
    table = Table(title=f"warehouse: full refresh with {len(WEEKS) + 1} snapshots ({load})")
    headings = ("events", "s", "events/s", "Postgres\npeak MB", "dbt\npeak MB", "database\nMB")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_row(
        f"{refresh.events:,}",
        f"{refresh.seconds:.1f}",
        f"{refresh.events / refresh.seconds:,.0f}",
        f"{refresh.postgres_mb:,.0f}",
        f"{refresh.dbt_mb:,.0f}",
        f"{refresh.database_mb:,.0f}",
    )
    out = Console(width=None if sys.stdout.isatty() else 120)
    out.print(table)
    out.print(verdict(refresh), highlight=False)


def verdict(refresh: Refresh) -> str:
    """Say whether it was as fast as ten million events in ten minutes, in four gigabytes."""
    wanted = refresh.events / TARGET_EVENTS_PER_SECOND
    memory = refresh.postgres_mb + refresh.dbt_mb
    met = "met" if refresh.seconds <= wanted and memory <= TARGET_MB else "missed"
    return (
        f"at most {wanted:,.0f} s and {TARGET_MB:,} MB together are wanted: "
        f"{refresh.seconds:,.0f} s, {memory:,.0f} MB: {met}"
    )


def dearest(refresh: Refresh) -> Iterator[str]:
    """Tell of the statements that took longest."""
    for one in sorted(refresh.statements, key=lambda one: -one.seconds)[:TOP]:
        yield f"{one.seconds:8.1f} s, {one.buffers:,} buffers: {short(one.text)}"


def _ask_for_snapshots() -> None:
    with transaction() as connection:
        connection.cursor().executemany(
            "insert into ops.snapshots (as_of) values (%s)", [(as_of,) for as_of in WEEKS]
        )


def _database_mb() -> float:
    with psycopg.connect(settings().postgres) as connection:
        row = connection.execute("select pg_database_size(current_database())").fetchone()
    assert row is not None
    return float(row[0]) / 1e6
