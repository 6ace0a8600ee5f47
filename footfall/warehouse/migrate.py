"""Bring the database's tables to the newest shape, one numbered SQL file at a time."""

from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.warehouse.connection import connect

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x466F6F74  # one migrator at a time


def migrate(dsn: str | None = None) -> list[str]:
    """Apply what is not applied yet, all in one transaction; return the names applied."""
    with connect(dsn) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        done = _applied(connection)
        pending = [file for file in sorted(MIGRATIONS.glob("*.sql")) if file.name not in done]
        for file in pending:
            connection.execute(file.read_bytes())
            connection.execute("insert into ops.migrations (name) values (%s)", (file.name,))
        return [file.name for file in pending]


def _applied(connection: Connection[TupleRow]) -> set[str]:
    connection.execute("create schema if not exists ops")
    connection.execute(
        "create table if not exists ops.migrations"
        " (name text primary key, applied_at timestamptz not null default now())"
    )
    return {name for (name,) in connection.execute("select name from ops.migrations")}
