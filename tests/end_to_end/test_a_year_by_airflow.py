"""A real shop's year, from Kafka to Redis, by a real Airflow on the local servers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import pytest

from footfall.demo import DAGS, Dags
from footfall.modelling.models import list_models
from footfall.settings import ROOT, settings
from footfall.stack import airflow as stack_airflow
from footfall.stack import servers as stack
from footfall.stack.airflow_api import AirflowApi
from footfall.stack.home import Home
from footfall.stack.process import is_free
from footfall.warehouse import audit
from footfall.warehouse.connection import connect
from footfall.warehouse.figures import figures
from tests.conftest import set_environment
from tests.test_docs import PAGES, commands, words

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1500)]

LAST_WEEK = datetime(2017, 12, 2, tzinfo=UTC)
EIGHT_WEEKS = [LAST_WEEK - timedelta(weeks=weeks) for weeks in reversed(range(8))]
WEEK = timedelta(weeks=1)
LIMIT_SECONDS = 600
LOOKING = {"drift", "lookup", "explain", "models", "publications", "report", "status", "audit"}
MENTIONED = (["lookup"], ["explain"], ["report"])  # without what they need
OF_VERSIONS = (["publications", "explain"], ["publications", "diff"])  # run in tests/publish
MODEL_ID = re.compile(r"(churn|purchase)-[0-9]{8}-[0-9a-f]{8}").fullmatch
BUILD_SNAPSHOTS = """
import sys
from datetime import datetime
from footfall.warehouse.build import build_snapshots
build_snapshots([datetime.fromisoformat(week) for week in sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def airflow(servers: stack.Status, test_home: Path) -> Iterator[AirflowApi]:
    """Start Airflow where promotion needs approval, and send the year to Kafka meanwhile."""
    from footfall.events.producer import replay

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as aside:
        set_environment(patch, promotion_approval="required")
        starting = aside.submit(lambda: stack.up(airflow=True))
        replay("complete-journey")
        found = starting.result().as_dict()["airflow"]
    try:
        with AirflowApi(found["url"], found["username"], found["password"]) as api:
            yield api
    finally:
        settings.cache_clear()
        home = Home(test_home)
        stack_airflow.down(home.read()["airflow"])
        home.note("airflow", None)


@pytest.fixture(scope="module")
def built(airflow: AirflowApi) -> Dags:
    """Let Airflow load and build the year."""
    dags = Dags(airflow)
    dags.unpause()
    dags.run("load_events")
    dags.follow("build_warehouse")
    return dags


@pytest.fixture(scope="module")
def published(airflow: AirflowApi, built: Dags) -> dict[str, Any]:
    """Let Airflow train, ask, score and publish; give what it told of the publication."""
    run = airflow.trigger("train_models")
    asked = airflow.until(
        lambda: len(found := airflow.questions(run)) == 2 and found,
        seconds=LIMIT_SECONDS,
        waiting_for="both models to be asked about",
    )
    for question in asked.values():
        airflow.answer(question, "Approve", because=f"yes: {question['subject']}")
    airflow.wait(run, seconds=LIMIT_SECONDS)
    built.follow("score_customers")
    built.follow("publish_scores")
    told: dict[str, Any] = airflow.asset_events("publish_scores")[-1]["extra"]
    return told


def backfill(airflow: AirflowApi, first: datetime, last: datetime) -> int:
    """Make the snapshots of the weeks that end from first to last; return how many runs it took."""
    number = airflow.backfill("snapshot_features", first - WEEK, last - WEEK)
    airflow.until(
        lambda: airflow.backfill_is_over(number),
        seconds=LIMIT_SECONDS,
        waiting_for=f"backfill {number}",
    )
    past = [run for run in airflow.runs("snapshot_features") if run.run_type == "backfill"]
    made = [run for run in past if first <= (run.logical_date or first) + WEEK <= last]
    return len([airflow.succeeded(run) for run in made])


def elsewhere(home: Path, database: str) -> None:
    """Load the year into another database, and build the eight weeks there at their time."""
    environment = os.environ | {
        "FOOTFALL_HOME": str(home),
        "FOOTFALL_KAFKA_BOOTSTRAP": settings().kafka,
        "FOOTFALL_POSTGRES_DSN": database,
    }
    footfall = str(Path(sys.executable).with_name("footfall"))
    weeks = [week.isoformat() for week in EIGHT_WEEKS]
    for command in (
        [footfall, "ingest", "--until-caught-up"],
        [footfall, "build", "--as-of", weeks[-1]],
        [sys.executable, "-c", BUILD_SNAPSHOTS, *weeks],
    ):
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def view(message_id: str, at: datetime) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Product Viewed",
        "messageId": message_id,
        "userId": "1",
        "timestamp": at.isoformat(),
        "properties": {"product_id": "1"},
    }


def snapshots(dsn: str, table: str) -> list[tuple[Any, ...]]:
    with connect(dsn) as connection:
        return connection.execute(
            f"select * from analytics.{table} where as_of = any(%s)"  # type: ignore[arg-type]
            " order by as_of, customer_id",
            (EIGHT_WEEKS,),
        ).fetchall()


def test_airflow_imports_every_dag(airflow: AirflowApi, built: Dags) -> None:
    assert airflow.import_errors() == {}
    assert set(airflow.dags()) == {file.stem for file in (ROOT / "dags").glob("*.py")} > set(DAGS)


def test_the_year_arrives_whole(built: Dags) -> None:
    with connect() as connection:
        held = figures(connection)
    assert held.rejected == held.duplicates == 0
    assert (held.orders, held.customers) == (155_848, 2_469)
    assert held.net_revenue == Decimal("4596039.58")


def test_nothing_is_scored_before_a_champion_is_there(airflow: AirflowApi, built: Dags) -> None:
    run = airflow.until(
        lambda: [run for run in airflow.runs("score_customers") if run.is_over],
        seconds=LIMIT_SECONDS,
        waiting_for="score_customers",
    )[0]
    assert (run.state, run.run_type) == ("success", "asset_triggered")
    assert set(airflow.task_states(run).items()) == {
        (task, "skipped") for task in ("score", "gate_scores", "ask_for_training")
    }


def test_a_backfill_of_eight_weeks_equals_builds_at_their_time(
    airflow: AirflowApi, built: Dags, database: str, test_home: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as aside:
        backfilled = aside.submit(backfill, airflow, EIGHT_WEEKS[0], LAST_WEEK)
        elsewhere(tmp_path, database)
        assert backfilled.result() == 8
    main = Home(test_home).read()["services"]["postgres"]["address"]
    for table in ("customer_rfm", "customer_features"):
        expected = snapshots(database, table)
        assert len({row[1] for row in expected}) == 8
        assert snapshots(main, table) == expected


def test_the_scores_reach_redis(airflow: AirflowApi, published: dict[str, Any]) -> None:
    from redis import Redis

    with Redis.from_url(settings().redis, decode_responses=True) as redis:
        assert redis.get("ff:current") == published["version"]
        records = sum(1 for _ in redis.scan_iter(f"ff:{published['version']}:c:*", count=1000))
    assert records == published["records"] > 2_000
    for dag_id in ("build_warehouse", "score_customers", "publish_scores"):
        assert {run.run_type for run in airflow.runs(dag_id)} == {"asset_triggered"}
        for run in airflow.runs(dag_id):
            assert airflow.wait(run, seconds=LIMIT_SECONDS).state == "success"


def test_what_a_person_approved_is_champion_and_stands_in_the_audit_log(
    published: dict[str, Any],
) -> None:
    champions = {model.model_id for model in list_models() if model.state == "champion"}
    with connect() as connection:
        entries = [entry for entry in audit.entries(connection) if entry.act == "promote"]
    assert {entry.subject for entry in entries} == champions
    assert len(champions) == 2
    for entry in entries:
        detail = json.loads(entry.detail)
        assert (entry.actor, detail["approved_by"]) == ("airflow", "admin")
        name = entry.subject.partition("-")[0]
        assert detail["because"] == f"yes: May {entry.subject} become champion of {name}?"


def test_a_backfilled_week_is_scored_and_never_published(
    airflow: AirflowApi, published: dict[str, Any]
) -> None:
    from footfall.publish.newest import newest_unpublished
    from footfall.publish.publication import publications

    last = datetime(2017, 12, 30, tzinfo=UTC)
    assert backfill(airflow, last, last) == 1
    with connect() as connection:
        scored = connection.execute(
            "select count(*) from ml.score_sets where as_of = %s and completed_at is not null",
            (last,),
        ).fetchone()
        assert scored == (1,)
        assert newest_unpublished(connection) is None
    assert [row.version for row in publications()] == [published["version"]]


def test_a_wait_outlives_its_triggerer(airflow: AirflowApi, published: dict[str, Any]) -> None:
    from footfall.publish.publication import publications

    (before,) = publications()
    run = airflow.trigger("publish_scores")
    airflow.until(
        lambda: airflow.task_states(run).get("wait_for_score_set") == "deferred",
        seconds=LIMIT_SECONDS,
        waiting_for="the sensor to be the triggerer's",
    )
    killed = Home(settings().home).read()["airflow"]["processes"]["triggerer"]
    for process in stack_airflow.session(killed):
        process.kill()
    stack.up(airflow=True)
    assert Home(settings().home).read()["airflow"]["processes"]["triggerer"] != killed
    footfall = str(Path(sys.executable).with_name("footfall"))
    for command in (["score"], ["gate", "scores"]):
        subprocess.run([footfall, *command], check=True, stdout=subprocess.DEVNULL)
    assert airflow.wait(run, seconds=LIMIT_SECONDS).state == "success"
    (after,) = publications()
    assert after.version == before.version
    assert after.score_set > before.score_set


def test_the_commands_of_the_pages_that_only_look_work_as_written(
    published: dict[str, Any], tmp_path: Path
) -> None:
    champion = {model.name: model.model_id for model in list_models() if model.state == "champion"}
    lines = {line for page in PAGES for line in commands(page)}
    asked = [found for line in sorted(lines) if (found := words(line, "footfall"))]
    looking = [
        found
        for found in asked
        if found[0] in LOOKING and found not in MENTIONED and found[:2] not in OF_VERSIONS
    ]
    assert {found[0] for found in looking} == LOOKING
    for found in looking:
        named = [champion[word.partition("-")[0]] if MODEL_ID(word) else word for word in found]
        done = subprocess.run(
            [Path(sys.executable).parent / "footfall", *named],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (named, done.stderr)
        written = tmp_path / named[named.index("--out") + 1] if "--out" in named else None
        assert written.stat().st_size if written else done.stdout, named


def test_what_a_gate_stops_goes_nowhere(
    airflow: AirflowApi, published: dict[str, Any], tmp_path: Path
) -> None:
    from footfall.events.producer import replay
    from footfall.publish.publication import publications

    event = view("a-last-sane-event", datetime(2018, 1, 5, 10, tzinfo=UTC))
    broken = tmp_path / "broken.jsonl"
    broken.write_text("\n".join([json.dumps(event), *["this is no event"] * 50]))
    replay(str(broken))
    dags = Dags(airflow)
    scores_before = airflow.asset_events("score_customers")
    dags.run("load_events")
    run = airflow.until(
        lambda: [run for run in airflow.runs("build_warehouse") if run.state == "failed"],
        seconds=LIMIT_SECONDS,
        waiting_for="the gate to stop",
    )[0]
    assert airflow.task_states(run) == {
        "gate_raw": "failed",
        "build": "upstream_failed",
        "feed_segments": "upstream_failed",
        "gate_features": "upstream_failed",
        "write_docs": "upstream_failed",
    }
    assert not dags.made("build_warehouse")
    assert airflow.asset_events("score_customers") == scores_before
    assert [row.version for row in publications()] == [published["version"]]


def test_a_backfilled_minute_is_loaded_again_from_kafka(
    airflow: AirflowApi, built: Dags, tmp_path: Path
) -> None:
    from footfall.events.producer import replay

    minute, ten = timedelta(minutes=1), datetime(2018, 1, 6, 10, tzinfo=UTC)
    events = tmp_path / "lost.jsonl"
    events.write_text(
        "\n".join(
            json.dumps(view(f"lost-{seconds}", ten + timedelta(seconds=seconds)))
            for seconds in (-1, 0, 59, 60)
        )
    )
    replay(str(events))
    Dags(airflow).run("load_events")
    lost: LiteralString = "from raw.events where message_id like 'lost-%'"
    with connect(autocommit=True) as connection:
        assert connection.execute(f"delete {lost}").rowcount == 4
    number = airflow.backfill("load_events", ten, ten + minute)
    airflow.until(
        lambda: airflow.backfill_is_over(number),
        seconds=LIMIT_SECONDS,
        waiting_for=f"backfill {number}",
    )
    past = [run for run in airflow.runs("load_events") if run.run_type == "backfill"]
    assert [airflow.task_states(airflow.succeeded(run))["load[0]"] for run in past] == [
        "success"
    ] * 2
    with connect() as connection:
        found = connection.execute(f"select message_id {lost} order by occurred_at").fetchall()
    assert found == [("lost-0",), ("lost-59",), ("lost-60",)]


def test_only_the_owner_can_read_airflows_secrets(airflow: AirflowApi, test_home: Path) -> None:
    for name in ("passwords.json", "jwt-secret"):
        assert (test_home / "airflow" / name).stat().st_mode & 0o077 == 0


def test_a_stop_leaves_no_process_and_no_port(airflow: AirflowApi, test_home: Path) -> None:
    entry = Home(test_home).read()["airflow"]
    assert stack_airflow.status(entry)
    stack_airflow.down(entry)
    assert not stack_airflow.status(entry)
    for process in entry["processes"].values():
        assert stack_airflow.session(process) == []
    assert is_free(entry["port"])
