"""What Postgres did: statements, their time and the buffers they touched, by pg_stat_statements."""

from dataclasses import dataclass

import psycopg

from footfall.settings import settings

LIBRARY = "pg_stat_statements"
# hit or read, of tables and of temporary tables: what a statement looks at costs, cached or not
BUFFERS = "shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read"


@dataclass(frozen=True)
class Statement:
    """One kind of statement: constants count as equal."""

    text: str
    calls: int
    seconds: float
    buffers: int


def forget(admin_dsn: str) -> None:
    """Begin to count anew."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute("create extension if not exists pg_stat_statements")
        connection.execute("select pg_stat_statements_reset()")


def seen(admin_dsn: str) -> list[Statement]:
    """Return what ran in the database of the settings since then, the dearest first."""
    database = psycopg.conninfo.conninfo_to_dict(settings().postgres)["dbname"]
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        found = connection.execute(
            f"select query, sum(calls)::bigint, sum(total_exec_time) / 1000, sum({BUFFERS})::bigint"
            " from pg_stat_statements join pg_database on pg_database.oid = dbid"
            " where datname = %s group by query order by 4 desc",
            (database,),
        ).fetchall()
    return [Statement(*row) for row in found]
