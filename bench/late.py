"""Late data: how long each way of building takes, and how many rows it gets wrong.

Each is right by its own measure: what its increments left is compared with its own full refresh.
"""

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console
from rich.table import Table

from bench import history
from bench.process import run
from bench.server import database
from footfall.settings import settings

PROJECTS = Path(__file__).parent / "peers" / "warehouse"
DBT = Path(sys.executable).with_name("dbt")
FOOTFALL = Path(sys.executable).with_name("footfall")
KEYS = {
    "sessions": ("session_id",),
    "orders": ("order_id",),
    "customer_days": ("customer", "day"),
    "fct_sessions": ("session_id",),
    "fct_orders": ("order_id",),
}
ISO = "%Y-%m-%d"
LOOKBACK = 4  # days: the newest and the three before it, as `lookback=3` would take them


@dataclass(frozen=True)
class Wrong:
    """Rows of one table that a full refresh has otherwise: `of` is how many it has."""

    missing: int
    extra: int
    different: int
    of: int

    @property
    def rows(self) -> int:
        """How many in all."""
        return self.missing + self.extra + self.different


@dataclass(frozen=True)
class Builder:
    """One way to build: in full, and what a new load brought."""

    name: str
    full: Callable[[str], float]
    increment: Callable[[], float]
    schema: str
    tables: Sequence[str] | None = None  # None: all of the schema


@dataclass(frozen=True)
class Outcome:
    """What one way took, and what it got wrong."""

    name: str
    full_seconds: float
    seconds: list[float] = field(default_factory=list)
    wrong: dict[str, Wrong] = field(default_factory=dict)


def measure(
    admin_dsn: str,
    *,
    customers: int,
    new_loads: int,
    peers: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Have each builder take in the same history and the same late loads, one after the other.

    Args:
        admin_dsn: of the server.
        customers: of the history.
        new_loads: how many loads come after it.
        peers: the folders of the peers' projects.
        folder: for dbt's targets.
        say: tells how far it is.
    """
    with database("late", admin_dsn):
        stored = history.store(history.history(customers, new_loads=new_loads))
        builders = [_footfall(folder), *(_peer(name, folder) for name in peers)]
        outcomes = []
        for builder in builders:
            say(f"{builder.name}: the history, {stored.events:,} events")
            outcomes.append(Outcome(builder.name, builder.full(builder.schema)))
        for number in range(new_loads):
            history.store(history.new_load(number, of=new_loads))
            for builder, outcome in zip(builders, outcomes, strict=True):
                outcome.seconds.append(builder.increment())
                say(f"{builder.name}: load {number + 1} in {outcome.seconds[-1]:.1f} s")
        for builder, outcome in zip(builders, outcomes, strict=True):
            say(f"{builder.name}: all anew, to compare")
            outcome.wrong.update(_compared(builder))
        outcomes.append(Outcome("dbt, full refresh", 0.0, _refreshed(folder, new_loads)))
    return outcomes


def show(outcomes: Sequence[Outcome], *, times: int, load: str) -> None:
    """Print a row per way of building on a history of so many times the smallest."""
    table = Table(title=f"warehouse: rows that are wrong after late data, {times}x ({load})")
    table.add_column("built by")
    table.add_column("median s\nof a load", justify="right")
    for heading in ("sessions", "orders", "other tables"):
        table.add_column(f"{heading}\nmissing/extra/different of all", justify="right")
    for outcome in outcomes:
        cells = [_cell(outcome, "sessions"), _cell(outcome, "orders"), _cell(outcome, None)]
        table.add_row(outcome.name, f"{statistics.median(outcome.seconds):.1f}", *cells)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _cell(outcome: Outcome, kind: str | None) -> str:
    known = {"sessions": ("sessions", "fct_sessions"), "orders": ("orders", "fct_orders")}
    named = [name for names in known.values() for name in names]
    found = [
        wrong
        for table, wrong in outcome.wrong.items()
        if (table in known[kind] if kind else table not in named)
    ]
    missing, extra = sum(one.missing for one in found), sum(one.extra for one in found)
    different, of = sum(one.different for one in found), sum(one.of for one in found)
    return f"{missing:,}/{extra:,}/{different:,} of {of:,}" if found else "none"


def _footfall(folder: Path) -> Builder:
    as_of = history.END.strftime(ISO)

    def build(*options: str) -> float:
        command = [FOOTFALL, "build", "--as-of", as_of, *options]
        return run(command, cwd=folder, env=dict(os.environ)).seconds

    return Builder("footfall build", lambda _: build("--full-refresh"), build, "analytics")


def _peer(name: str, folder: Path) -> Builder:
    titles = {
        "stock": "dbt is_incremental(), max(occurred_at)",
        "lookback": "dbt merge, lookback of 3 days",
        "microbatch": "dbt microbatch, lookback of 3 days",
    }
    schema, window = f"peer_{name}", ()
    if name == "microbatch":  # its clock is today's: it has to be told the day
        since = history.END - history.DAY * LOOKBACK
        window = ("--event-time-start", since.strftime(ISO), *_UNTIL)

    def full(schema: str) -> float:
        whole = ("--event-time-start", history.FIRST_DAY.strftime(ISO), *_UNTIL)
        return _dbt(name, folder, schema, "--full-refresh", *(whole if window else ()))

    tables = ("sessions", "orders", "customer_days")
    return Builder(titles[name], full, lambda: _dbt(name, folder, schema, *window), schema, tables)


_UNTIL = ("--event-time-end", history.END.strftime(ISO))


def _refreshed(folder: Path, rounds: int) -> list[float]:
    return [_dbt("stock", folder, "peer_full", "--full-refresh") for _ in range(rounds)]


def _dbt(project: str, folder: Path, schema: str, *options: str) -> float:
    place = conninfo_to_dict(settings().postgres)
    env = os.environ | {
        "BENCH_HOST": str(place["host"]),
        "BENCH_PORT": str(place["port"]),
        "BENCH_USER": str(place["user"]),
        "BENCH_DATABASE": str(place["dbname"]),
        "DBT_ENV_SECRET_BENCH_PASSWORD": str(place["password"]),
        "BENCH_SCHEMA": schema,
        "PGOPTIONS": "-c timezone=UTC -c jit=off -c work_mem=64MB",
    }
    target = folder / f"dbt-{project}"
    command = [
        *(DBT, "run", "--project-dir", PROJECTS / project),
        *("--profiles-dir", PROJECTS / "shared", "--target-path", target, "--log-path", target),
        *("--quiet", *options),
    ]
    return run(command, cwd=folder, env=env).seconds


def _compared(builder: Builder) -> dict[str, Wrong]:
    """Build all anew beside what the increments left, and compare table by table."""
    kept, anew = f"{builder.schema}_kept", builder.schema
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        names = builder.tables or _tables(connection, builder.schema)
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(kept)))
        for name in names:
            connection.execute(
                sql.SQL("create table {} as table {}").format(
                    sql.Identifier(kept, name), sql.Identifier(builder.schema, name)
                )
            )
    builder.full(anew)
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        return {name: _wrong(connection, kept, anew, name) for name in names}


def _tables(connection: psycopg.Connection[tuple[str, ...]], schema: str) -> list[str]:
    found = connection.execute(
        "select table_name from information_schema.tables"
        " where table_schema = %s and table_type in ('BASE TABLE', 'VIEW') order by 1",
        (schema,),
    )
    return [name for (name,) in found]


# Equal keys are numbered, so that a row that is there twice is one too many.
_COMPARISON = """
with kept as (
    select key, content, row_number() over (partition by key order by content) as number
    from (select {key} as key, r::text as content from {kept} as r) as rows
),
anew as (
    select key, content, row_number() over (partition by key order by content) as number
    from (select {key} as key, r::text as content from {anew} as r) as rows
)
select
    count(*) filter (where kept.key is null),
    count(*) filter (where anew.key is null),
    count(*) filter (where kept.content <> anew.content),
    count(anew.key)
from kept full join anew on kept.key = anew.key and kept.number = anew.number
"""


def _wrong(
    connection: psycopg.Connection[tuple[int, ...]], kept: str, anew: str, table: str
) -> Wrong:
    columns = [sql.SQL("r.{}").format(sql.Identifier(name)) for name in KEYS.get(table, ())]
    key = sql.SQL("row({})::text").format(sql.SQL(", ").join(columns) if columns else sql.SQL("r"))
    statement = sql.SQL(_COMPARISON).format(
        key=key, kept=sql.Identifier(kept, table), anew=sql.Identifier(anew, table)
    )
    row = connection.execute(statement).fetchone()
    assert row is not None
    return Wrong(*row)
