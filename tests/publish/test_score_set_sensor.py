"""Waiting for a score set: the sensor looks once, the trigger waits, and says why it gave up."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from footfall.errors import NotReady
from footfall.publish.newest import newest_unpublished
from footfall.publish.publication import publish, rollback
from footfall.settings import ROOT
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, WEEK, Shop

FAR = datetime(2100, 1, 1, tzinfo=UTC).isoformat()
PAST = datetime(2018, 1, 1, tzinfo=UTC).isoformat()
FAST = 0.01


@pytest.fixture(scope="module", autouse=True)
def _airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let Airflow be imported, with a home of its own and the plugins folder on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        patch.syspath_prepend(ROOT / "plugins")
        yield


def trigger(**arguments: Any) -> Any:
    from footfall_airflow.triggers import ScoreSetTrigger

    return ScoreSetTrigger(**{"deadline": FAR, "poll_seconds": FAST, **arguments})


async def fire(waiting: Any) -> dict[str, Any]:
    """Run a trigger as the triggerer does; give its only event, which must be JSON."""
    events = [event.payload async for event in waiting.run()]
    assert len(events) == 1
    event: dict[str, Any] = json.loads(json.dumps(events[0]))
    return event


def ready(score_set: int, as_of: datetime = AS_OF) -> dict[str, Any]:
    return {"score_set": score_set, "as_of": as_of.isoformat()}


def test_the_trigger_fires_when_the_gate_lets_a_set_pass(shop: Shop):
    async def wait_then_pass() -> dict[str, Any]:
        score_set = shop.score(verdict=None)
        waiting = asyncio.create_task(fire(trigger()))
        done, _ = await asyncio.wait([waiting], timeout=10 * FAST)
        assert not done
        shop.judge(score_set, "warn")
        return await asyncio.wait_for(waiting, timeout=30)

    assert asyncio.run(wait_then_pass()) == ready(1)


def test_the_trigger_outlives_a_lost_connection(shop: Shop):
    async def wait_cut_pass() -> dict[str, Any]:
        waiting = asyncio.create_task(fire(trigger()))
        cut = 0
        while not cut:
            await asyncio.wait([waiting], timeout=FAST)
            cut = len(
                shop.connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                ).fetchall()
            )
        shop.score()
        return await asyncio.wait_for(waiting, timeout=30)

    assert asyncio.run(wait_cut_pass()) == ready(1)


def test_the_trigger_wakes_within_two_seconds(shop: Shop):
    from footfall_airflow.sensors import ScoreSetSensor

    interval = ScoreSetSensor(task_id="wait").poke_interval

    async def wait_then_pass() -> float:
        waiting = asyncio.create_task(fire(trigger(poll_seconds=interval)))
        await asyncio.wait([waiting], timeout=0.1)
        shop.score()
        passed = time.monotonic()
        await waiting
        return time.monotonic() - passed

    assert asyncio.run(wait_then_pass()) < 2


def test_a_trigger_that_died_with_its_triggerer_goes_on_in_another(shop: Shop):
    from airflow.sdk.module_loading import import_string

    async def wait_die_go_on() -> dict[str, Any]:
        first = trigger()
        waiting = asyncio.create_task(fire(first))
        await asyncio.wait([waiting], timeout=10 * FAST)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        path, arguments = json.loads(json.dumps(first.serialize()))
        second = import_string(path)(**arguments)
        assert second.deadline == first.deadline
        shop.score()
        return await fire(second)

    assert asyncio.run(wait_die_go_on()) == ready(1)


def test_the_trigger_says_why_it_gave_up_and_whether_a_set_is_stuck(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, redis_url: str
):
    def told(deadline: str = PAST) -> tuple[str, bool]:
        event = asyncio.run(fire(trigger(deadline=deadline)))
        return event["reason"].removeprefix(f"no score set to publish until {deadline}: "), event[
            "stuck"
        ]

    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    assert told(soon) == ("all that was scored is published", False)
    shop.score(complete=False)
    assert told() == (
        "score set 1 (as of 2018-01-02T00:00:00Z) is not complete; "
        "if nothing scores now: footfall score",
        False,
    )
    second = shop.score(verdict=None)
    assert told() == (
        "score set 2 (as of 2018-01-02T00:00:00Z) was not checked by the gate; "
        "run: footfall gate scores",
        True,
    )
    shop.judge(second, "stop")
    reason, is_stuck = told()
    assert reason.startswith("the gate stopped score set 2")
    assert is_stuck
    shop.judge(second, "pass")
    publish(now=NOW, actor="test")
    assert told() == ("all that was scored is published", False)

    set_environment(monkeypatch, postgres_dsn="postgresql://footfall:secret@127.0.0.1:1/footfall")
    reason, is_stuck = told()
    assert "Postgres does not answer" in reason
    assert "secret" not in reason
    assert is_stuck


def test_a_trigger_survives_being_stored_and_loaded(shop: Shop):
    from airflow.sdk.module_loading import import_string

    path, arguments = trigger().serialize()
    again = import_string(path)(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)
    assert path == "footfall_airflow.triggers.ScoreSetTrigger"
    assert "postgresql" not in json.dumps(arguments)


def test_the_sensor_returns_at_once_what_is_ready_and_defers_otherwise(shop: Shop):
    from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

    from footfall_airflow.sensors import ScoreSetSensor

    sensor = ScoreSetSensor(task_id="wait", timeout=60)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    assert deferred.value.method_name == "resume"
    left = datetime.fromisoformat(deferred.value.trigger.deadline) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=60)

    score_set = shop.score()
    assert sensor.execute({}) == ready(score_set)
    assert sensor.resume({}, ready(score_set)) == ready(score_set)
    with pytest.raises(AirflowSensorTimeout, match="none came"):
        sensor.resume({}, {"reason": "none came", "stuck": False})


def test_only_a_stuck_set_fails_a_sensor_that_fails_softly():
    from airflow.sdk.exceptions import AirflowSkipException

    from footfall_airflow.sensors import ScoreSetSensor

    sensor = ScoreSetSensor(task_id="wait", timeout=60, soft_fail=True)

    def resume(*, stuck: bool) -> Any:
        event = {"reason": "the gate stopped score set 2", "stuck": stuck}
        return sensor.resume_execution("resume", {"event": event}, {})

    with pytest.raises(NotReady, match="stopped score set 2"):
        resume(stuck=True)
    with pytest.raises(AirflowSkipException):
        resume(stuck=False)


def test_only_a_set_newer_than_all_that_was_ever_live_is_waited_for(shop: Shop, redis_url: str):
    def found() -> int | None:
        newest = newest_unpublished(shop.connection)
        return newest and newest.score_set

    assert found() is None
    first = shop.score()
    assert found() == first
    publish(now=NOW, actor="test")
    assert found() is None

    shop.score(as_of=AS_OF - WEEK)
    shop.score(as_of=AS_OF + 2 * WEEK, complete=False)
    assert found() is None
    second = shop.score(as_of=AS_OF + WEEK, verdict="stop")
    assert found() is None
    shop.judge(second, "pass")
    assert found() == second

    publish(now=NOW, actor="test")
    rollback(now=NOW, actor="test")
    assert found() is None
