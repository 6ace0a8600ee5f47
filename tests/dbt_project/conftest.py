"""One small shop, built once, for all tests of the dbt project."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.settings import settings
from footfall.stack.servers import Status
from footfall.warehouse.build import build
from footfall.warehouse.dbt import run_dbt
from footfall.warehouse.monitor import monitor
from tests.conftest import new_database, set_environment
from tests.warehouse.shop import event, midnight, order, store


@pytest.fixture(scope="module")
def target(servers: Status) -> Iterator[Path]:
    """Give dbt's folder, freshly read; the settings point at a database that is built."""
    with pytest.MonkeyPatch.context() as patch, new_database(servers) as address:
        set_environment(patch, postgres_dsn=address)
        store([order("m1", "o1", user="1"), event("alias", message="m2", user="1", previous="d")])
        build(midnight(3, 9))
        monitor()
        yield run_dbt(["parse", "--no-partial-parse", "--warn-error"], caller="test").target
    settings.cache_clear()
