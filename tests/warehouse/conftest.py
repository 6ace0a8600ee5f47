"""A warehouse for each test, built once with nothing in it, so that the test builds increments."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from footfall.stack.servers import Status
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from tests.conftest import DATABASE, TEMPLATE, admin_dsn, new_database, set_environment
from tests.warehouse.shop import midnight

BUILT = "footfall_built"


@pytest.fixture(scope="session")
def built(servers: Status) -> str:
    """Give the name of a template that was built once, when nothing had happened yet."""
    with pytest.MonkeyPatch.context() as patch, new_database(servers) as address:
        set_environment(patch, postgres_dsn=address)
        build(midnight(1, 1))
        with transaction() as connection:
            connection.execute("delete from ops.snapshots")
        with psycopg.connect(admin_dsn(servers), autocommit=True) as admin:
            admin.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(BUILT), sql.Identifier(DATABASE)
                )
            )
    return BUILT


@pytest.fixture
def shop(
    servers: Status, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Point the settings at a warehouse without an event: built, or never where a test says so."""
    is_unbuilt = request.node.get_closest_marker("unbuilt")
    template = TEMPLATE if is_unbuilt else request.getfixturevalue("built")
    with new_database(servers, template) as address:
        set_environment(monkeypatch, postgres_dsn=address)
        yield
