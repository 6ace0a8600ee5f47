"""The command line: exit codes, one JSON object, one readable line."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOOTFALL = Path(sys.executable).parent / "footfall"
NOWHERE = {
    "FOOTFALL_POSTGRES_DSN": "postgresql://footfall:secret-word@127.0.0.1:9/footfall",
    "FOOTFALL_REDIS_URL": "redis://127.0.0.1:9/0",
    "FOOTFALL_KAFKA_BOOTSTRAP": "127.0.0.1:9",
}


def footfall(*words: str, environment: dict[str, str] | None = None, home: Path | None = None):
    """Run the command as a user does, away from any running stack."""
    base = {"PATH": "/usr/bin:/bin", "FOOTFALL_HOME": str(home or ROOT / ".footfall-none")}
    return subprocess.run(
        [str(FOOTFALL), *words],
        cwd=ROOT,
        env=base | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("ingest", "--since", "2018-01-01", "--until", "2017-01-01"),
        ("replay", "complete-journey", "--since", "2018-01-01", "--until", "2017-01-01"),
        ("build", "--as-of", "yesterday"),
        ("replay", "complete-journey", "--limit", "-1"),
        ("replay", "no-such-source"),
        ("replay", "no-such-file.jsonl"),
        ("gate", "garden"),
        ("gate", "raw", "--as-of", "2017-01-01"),
        ("train", "weather"),
        ("ingest", "--once", "--until-caught-up"),
        ("promote", "churn-20180102-48a274ee", "--because", "it gains"),
        ("demote", "churn"),
        ("demote", "churn", "--because", ""),
        ("no-such-command",),
    ],
)
def test_what_cannot_be_meant_is_exit_2_with_no_traceback(words):
    done = footfall(*words, environment=NOWHERE)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_promotion_that_lacks_a_persons_approval_is_exit_2_with_the_remedy():
    required = NOWHERE | {"FOOTFALL_PROMOTION_APPROVAL": "required"}
    done = footfall("promote", "churn-20180102-48a274ee", environment=required)
    assert done.returncode == 2
    assert "footfall promote churn-20180102-48a274ee --approved-by NAME" in done.stderr


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (("build",), "127.0.0.1:9"),
        (("models",), "127.0.0.1:9"),
        (("publish",), "127.0.0.1:9"),
        (("lookup", "1"), "127.0.0.1:9"),
        (("replay", "complete-journey", "--limit", "1"), "127.0.0.1:9"),
        (("ingest",), "127.0.0.1:9"),
    ],
)
def test_a_server_that_is_away_is_named_in_one_line_without_its_password(words, address):
    done = footfall(*words, environment=NOWHERE)
    assert done.returncode == 1
    assert address in done.stderr
    assert "secret-word" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_without_servers_the_remedy_is_named(tmp_path):
    done = footfall("models", home=tmp_path)
    assert done.returncode == 1
    assert "footfall up" in done.stderr


def test_a_setting_that_cannot_be_read_is_exit_2_and_named(tmp_path):
    done = footfall("models", environment={"FOOTFALL_FIRST_DAY": "long ago"}, home=tmp_path)
    assert done.returncode == 2
    assert "FOOTFALL_FIRST_DAY" in done.stderr


def test_status_without_servers_says_so_as_json_and_exits_1(tmp_path):
    done = footfall("status", "--json", home=tmp_path)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert set(report["services"]) == {"postgres", "redis", "kafka"}
    assert not any(service["healthy"] for service in report["services"].values())


def test_the_help_costs_less_than_two_seconds_of_processor_time():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = footfall("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert done.returncode == 0
    for command in ("up", "replay", "ingest", "build", "train", "score", "publish", "lookup"):
        assert f"  {command} " in done.stdout
