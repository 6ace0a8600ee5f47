"""A Postgres of the bench's own, which counts what its statements cost, and databases in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from bench import statements
from footfall.settings import settings
from footfall.stack import postgres
from footfall.stack.home import Home
from footfall.warehouse.migrate import migrate


@contextmanager
def counting_postgres(folder: Path) -> Iterator[str]:
    """Run a server with its default durability while the block lasts; give its owner's DSN."""
    before = os.environ.get("FOOTFALL_HOME")
    os.environ["FOOTFALL_HOME"] = str(folder / "home")
    settings.cache_clear()
    home = Home(settings().home)
    with home.locked():
        home.claim()
        server = _Counting(home, settings())
        entry = server.up()
    try:
        yield str(entry["admin_dsn"])
    finally:
        with home.locked():
            server.down(entry)
        if before is None:
            del os.environ["FOOTFALL_HOME"]
        else:
            os.environ["FOOTFALL_HOME"] = before
        settings.cache_clear()


@contextmanager
def database(name: str, admin_dsn: str) -> Iterator[None]:
    """Make a migrated database; while the block lasts the settings point at it. It is dropped."""
    local = Home(settings().home).read()["services"]["postgres"]["address"]
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} owner footfall").format(sql.Identifier(name)))
        os.environ["FOOTFALL_POSTGRES_DSN"] = f"{local.rpartition('/')[0]}/{name}"
        settings.cache_clear()
        try:
            migrate(settings().postgres)
            yield
        finally:
            del os.environ["FOOTFALL_POSTGRES_DSN"]
            settings.cache_clear()
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def settle(admin_dsn: str) -> None:
    """Do at once what Postgres does in the background after much was written to the database."""
    name = psycopg.conninfo.conninfo_to_dict(settings().postgres)["dbname"]
    with psycopg.connect(admin_dsn, dbname=name, autocommit=True) as admin:
        admin.execute("vacuum (analyze)")
        admin.execute("checkpoint")


def postmaster() -> int:
    """Return the pid of the server."""
    return int(Home(settings().home).read()["services"]["postgres"]["pid"])


class _Counting(postgres.Postgres):
    options = postgres.OPTIONS | {
        "shared_preload_libraries": statements.LIBRARY,
        f"{statements.LIBRARY}.max": "10000",
    }
