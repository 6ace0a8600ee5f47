"""One database for all tests of the warehouse: dbt reads its project anew for each new one."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from footfall.settings import settings
from footfall.stack.servers import Status
from tests.conftest import TEMPLATE, admin_dsn, numbers, set_environment
from tests.warehouse.shop import start_over


@pytest.fixture(scope="package")
def warehouse(servers: Status) -> Iterator[str]:
    """Give the DSN of a migrated database."""
    name = f"test_warehouse_{next(numbers)}"  # this fixture stands in two folders
    new, template = sql.Identifier(name), sql.Identifier(TEMPLATE)
    dsn = str(servers.as_dict()["services"]["postgres"]["dsn"])
    with psycopg.connect(admin_dsn(servers), autocommit=True) as admin:
        admin.execute(
            sql.SQL("create database {} template {} owner footfall").format(new, template)
        )
        yield f"{dsn.rpartition('/')[0]}/{name}"
        admin.execute(sql.SQL("drop database {} with (force)").format(new))


@pytest.fixture
def shop(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point the settings at an empty warehouse."""
    set_environment(monkeypatch, postgres_dsn=warehouse)
    start_over()
    yield
    settings.cache_clear()
