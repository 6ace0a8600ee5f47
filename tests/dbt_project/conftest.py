"""One small shop, built once, for all tests of the dbt project."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from footfall.settings import settings
from footfall.stack.servers import Status
from footfall.warehouse.build import build
from footfall.warehouse.dbt import DbtRun, run_dbt
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


@pytest.fixture(scope="module")
def compiled(target: Path) -> list[Path]:
    """Give the folders of the models' SQL: of the build, a full refresh, and of an increment."""
    variables = {"build_id": 2, "built_through": (midnight(3, 9) + timedelta(days=1)).isoformat()}
    run_dbt(["compile", "--warn-error"], variables, caller="test")
    built = settings().home / "dbt" / "build" / "target"
    return [folder / "compiled" for folder in (built, target)]


@pytest.fixture(scope="module")
def unit_tests(target: Path) -> DbtRun:
    """Run dbt's unit tests; their SQL lies beside the models' afterwards."""
    return run_dbt(["test", "--select", "test_type:unit"], {"build_id": 1}, caller="test")
