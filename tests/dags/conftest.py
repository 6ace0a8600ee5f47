"""Airflow in this process, without a database."""

from collections.abc import Iterator

import pytest

from footfall.settings import ROOT


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let Airflow be imported, with a home of its own and the plugins folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.syspath_prepend(ROOT / "plugins")
        yield
