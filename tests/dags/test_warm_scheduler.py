"""The scheduler imports once what every task needs; nobody else does."""

import json
import subprocess
import sys

import pytest

from footfall.stack import airflow_local_settings

PROBE = """
import json, runpy, sys
sys.argv = ["airflow", sys.argv[2]]
runpy.run_path({path!r})
json.dump([name for name in {heavy!r} if name in sys.modules], sys.stdout)
"""


@pytest.mark.parametrize(
    ("process", "warm"),
    [("scheduler", list(airflow_local_settings.HEAVY)), ("triggerer", []), ("api-server", [])],
)
def test_only_the_scheduler_is_warm(process: str, warm: list[str]) -> None:
    probe = PROBE.format(path=airflow_local_settings.__file__, heavy=airflow_local_settings.HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", probe, "--", process], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == warm
