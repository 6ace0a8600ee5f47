"""One small shop, built once, for all tests of the dbt project."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from footfall.settings import settings
from footfall.stack.servers import Status
from footfall.warehouse.build import build
from footfall.warehouse.dbt import run_dbt
from tests.conftest import TEMPLATE, admin_dsn, set_environment
from tests.warehouse.shop import event, midnight, order, store


@pytest.fixture(scope="module")
def target(servers: Status) -> Iterator[Path]:
    """Give dbt's folder, freshly read; the settings point at a database that is built."""
    name = f"test_dbt_project_{os.getpid()}"
    new, template = sql.Identifier(name), sql.Identifier(TEMPLATE)
    dsn = str(servers.as_dict()["services"]["postgres"]["dsn"])
    with (
        psycopg.connect(admin_dsn(servers), autocommit=True) as admin,
        pytest.MonkeyPatch.context() as patch,
    ):
        admin.execute(
            sql.SQL("create database {} template {} owner footfall").format(new, template)
        )
        set_environment(patch, postgres_dsn=f"{dsn.rpartition('/')[0]}/{name}")
        store([order("m1", "o1", user="1"), event("alias", message="m2", user="1", previous="d")])
        build(midnight(3, 9))
        yield run_dbt(["parse", "--no-partial-parse", "--warn-error"], caller="test").target
        settings.cache_clear()
        admin.execute(sql.SQL("drop database {} with (force)").format(new))
