"""Whoever is on duty is told why a task failed."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import pytest

from tests.conftest import set_environment

pytestmark = pytest.mark.usefixtures("airflow_home")

FAILED = SimpleNamespace(dag_id="watch_publication", task_id="watch", run_id="scheduled__1")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Give what is posted to a server of the test's own; the setting points at it."""
    posted: list[Any] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        set_environment(monkeypatch, alert_url=f"http://127.0.0.1:{server.server_port}/duty")
        yield posted
        server.shutdown()


def fail(**context: object) -> None:
    """Do what Airflow does with a task that failed for good."""
    from footfall_airflow.stages import stage

    @stage()
    def watch() -> None:
        """Be a task."""

    for callback in watch().operator.on_failure_callback:
        callback({"task_instance": FAILED, **context})


def test_a_failed_tasks_reason_is_posted(told: list[Any]) -> None:
    fail(exception=ValueError("the gate stopped score set 2"))
    assert told == [
        {
            "text": "watch_publication.watch failed: the gate stopped score set 2",
            "reason": "the gate stopped score set 2",
            "dag_id": "watch_publication",
            "task_id": "watch",
            "run_id": "scheduled__1",
        }
    ]


def test_a_task_whose_process_was_killed_is_told_of(told: list[Any]) -> None:
    fail()
    assert [one["reason"] for one in told] == ["its process ended"]


def test_nothing_is_posted_where_nobody_asked(
    told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, alert_url="")
    fail(exception=ValueError("x"))
    assert told == []


def test_an_alert_that_reaches_nobody_stands_in_the_tasks_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, alert_url="http://127.0.0.1:1/duty")
    with pytest.raises(URLError):  # Airflow logs it, and the task has failed as it had
        fail(exception=ValueError("x"))
