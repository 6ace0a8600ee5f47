"""Which window of events a run is about, and which models."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from footfall.errors import BadArgument

pytestmark = pytest.mark.usefixtures("airflow_home")

TEN, TEN_ONE = (datetime(2026, 5, 1, 10, minute, tzinfo=UTC) for minute in (0, 1))


def window(run_type: str, **params: str) -> Any:
    from pendulum import instance

    from footfall_airflow.stages import window

    context = {
        "params": {"since": None, "until": None} | params,
        "dag_run": SimpleNamespace(run_type=run_type),
        "data_interval_start": instance(TEN),
        "data_interval_end": instance(TEN_ONE),
    }
    return window(context)


@pytest.mark.parametrize("run_type", ["scheduled", "manual"])
def test_a_run_is_about_what_is_new(run_type: str) -> None:
    assert window(run_type) == (None, None)


def test_a_backfill_is_about_its_interval() -> None:
    assert window("backfill") == (TEN, TEN_ONE)
    assert {type(at) for at in window("backfill")} == {datetime}


def test_a_run_with_params_is_about_them() -> None:
    may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert window("manual", since="2026-05-01", until="2026-06-01") == (may, june)
    assert window("manual", since="2026-05-01") == (may, None)
    assert window("backfill", until="2026-06-01") == (None, june)


def test_a_param_that_is_no_instant_is_named() -> None:
    with pytest.raises(BadArgument, match="'yesterday' is no ISO 8601 instant"):
        window("manual", since="yesterday")


def test_a_run_that_drift_started_is_about_what_has_shifted() -> None:
    from footfall_airflow.assets import DRIFT
    from footfall_airflow.stages import shifted

    events = [SimpleNamespace(extra={"names": ["value"]}), SimpleNamespace(extra={"names": ["a"]})]
    assert shifted({"triggering_asset_events": {DRIFT: events}}) == ["a", "value"]
    assert shifted({"triggering_asset_events": {}}) == []
