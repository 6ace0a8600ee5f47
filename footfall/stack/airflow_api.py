"""Speak to a running Airflow by its REST API: unpause, trigger, wait, backfill."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

import httpx

from footfall.errors import FootfallError, NotFound, ServerUnavailable

POLL_SECONDS = 0.5
RETRIES = 20
OVER = frozenset({"success", "failed"})
T = TypeVar("T")


class RunFailed(FootfallError):
    """A run of a Dag failed, or did not end in time."""


@dataclass(frozen=True)
class DagRun:
    """One run of a Dag, as Airflow reports it."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    run_after: datetime
    logical_date: datetime | None
    seconds: float | None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, well or not."""
        return self.state in OVER


class AirflowApi:
    """A session with one Airflow, logged in with a password.

    Raises:
        ServerUnavailable: nothing answers at the URL; names it.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._login = {"username": username, "password": password}
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        self._log_in()

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the session's connections."""
        self._http.close()

    def import_errors(self) -> dict[str, str]:
        """Return the Dag files that cannot be imported, with the traceback of each."""
        errors = self._get("/importErrors", limit=100)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def dags(self) -> dict[str, bool]:
        """Return the known Dags, and whether each is paused."""
        return {dag["dag_id"]: dag["is_paused"] for dag in self._get("/dags", limit=100)["dags"]}

    def pause(self, dag_id: str, *, paused: bool) -> None:
        """Pause a Dag, or let it run on its schedule."""
        self._send("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str, **conf: Any) -> DagRun:
        """Start a run by hand; ``conf`` sets its params."""
        body = {"logical_date": None, "conf": conf}
        return _run(self._send("POST", f"/dags/{dag_id}/dagRuns", body))

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run as it is now."""
        return _run(self._get(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str, *, since: datetime | None = None) -> list[DagRun]:
        """Return a Dag's runs that were created to run after ``since``, the oldest first."""
        query: dict[str, Any] = {"order_by": "run_after", "limit": 100}
        if since:
            query["run_after_gte"] = since.isoformat()
        return [_run(row) for row in self._get(f"/dags/{dag_id}/dagRuns", **query)["dag_runs"]]

    def task_states(self, run: DagRun) -> dict[str, str | None]:
        """Return the state of each task of a run; of a mapped task, one entry per index."""
        return {_task(row): row["state"] for row in self._tasks(run)}

    def task_seconds(self, run: DagRun) -> dict[str, float]:
        """Return how long each task of a run took that has run; of a mapped task, each index."""
        return {_task(row): row["duration"] for row in self._tasks(run) if row["duration"]}

    def failures(self, run: DagRun) -> dict[str, str]:
        """Return the tasks of a run that failed, and the last error that each logged."""
        failed = [row for row in self._tasks(run) if row["state"] == "failed"]
        return {_task(row): self._last_error(run, row) for row in failed}

    def wait(self, run: DagRun, *, seconds: float) -> DagRun:
        """Wait until a run has succeeded.

        Raises:
            RunFailed: it failed, or is not over in time; names the tasks that did not succeed.
        """
        return self.succeeded(
            self.until(
                lambda: [now for now in [self.run(run.dag_id, run.run_id)] if now.is_over],
                seconds=seconds,
                waiting_for=f"run {run.run_id} of Dag {run.dag_id}",
            )[0]
        )

    def succeeded(self, run: DagRun) -> DagRun:
        """Return a run that is over, if it ended well.

        Raises:
            RunFailed: it did not; names the tasks that failed, and why.
        """
        if run.state != "success":
            told = "; ".join(f"{task}: {error}" for task, error in self.failures(run).items())
            raise RunFailed(
                f"run {run.run_id} of Dag {run.dag_id} is {run.state}: {told or 'no task failed'}"
            )
        return run

    def until(self, look: Callable[[], T], *, seconds: float, waiting_for: str) -> T:
        """Look again and again until there is something to see; return it.

        Raises:
            RunFailed: there is nothing after so many seconds; names what was waited for.
        """
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            if time.monotonic() > deadline:
                raise RunFailed(f"waited {seconds:.0f} s for {waiting_for} in vain")
            time.sleep(POLL_SECONDS)
        return seen

    def questions(self, run: DagRun) -> dict[str, dict[str, Any]]:
        """Return what a run waits for a person to answer, by the task that asks.

        A question is there a moment before its task waits. Who answers in that moment has the task
        go on before its first process has ended, and Airflow takes that end for a failure.
        """
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/hitlDetails"
        asked = self._get(path, response_received=False)["hitl_details"]
        waiting = [row for row in asked if row["task_instance"]["state"] == "awaiting_input"]
        return {_task(row["task_instance"]): row for row in waiting}

    def answer(self, question: dict[str, Any], option: str, **params: Any) -> None:
        """Answer a question as the user who is logged in."""
        task = question["task_instance"]
        self._send(
            "PATCH",
            f"/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"
            f"/{task['map_index']}/hitlDetails",
            {"chosen_options": [option], "params_input": params},
        )

    def backfill(self, dag_id: str, since: datetime, until: datetime) -> int:
        """Ask for the runs of the intervals that start in ``[since, until]``; return its id."""
        body = {
            "dag_id": dag_id,
            "from_date": since.isoformat(),
            "to_date": until.isoformat(),
            "reprocess_behavior": "completed",
        }
        return int(self._send("POST", "/backfills", body)["id"])

    def backfill_is_over(self, backfill_id: int) -> bool:
        """Say whether every run of a backfill has ended."""
        return self._get(f"/backfills/{backfill_id}")["completed_at"] is not None

    def asset_events(self, dag_id: str) -> list[dict[str, Any]]:
        """Return what the runs of a Dag told about the assets they made, the oldest first."""
        query = {"source_dag_id": dag_id, "order_by": "timestamp", "limit": 100}
        events: list[dict[str, Any]] = self._get("/assets/events", **query)["asset_events"]
        return events

    def _tasks(self, run: DagRun) -> list[dict[str, Any]]:
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        rows: list[dict[str, Any]] = self._get(path)["task_instances"]
        return rows

    def _last_error(self, run: DagRun, row: dict[str, Any]) -> str:
        path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{row['task_id']}"
        log = self._get(f"{path}/logs/{row['try_number']}", map_index=row["map_index"])
        lines = [line for line in log["content"] if isinstance(line, dict)]
        errors = [error for line in lines for error in line.get("error_detail") or ()]
        return str(errors[0]["exc_value"]) if errors else "its log says nothing"

    def _log_in(self) -> None:
        token = self._ask("POST", "/auth/token", json=self._login)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def _get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", f"/api/v2{path}", params=query)

    def _send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return self._ask(method, f"/api/v2{path}", json=body)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
            for _ in range(RETRIES if method == "GET" else 0):
                # Asked of an event whose run is still queued, Airflow 3.3 answers 500.
                if not answer.is_server_error:
                    break
                time.sleep(POLL_SECONDS)
                answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServerUnavailable(f"Airflow at {self.url} does not answer ({error})") from None
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(f"Airflow knows no {path}: {answer.text}")
        if answer.is_error:
            raise FootfallError(
                f"Airflow refused {method} {path}: {answer.status_code} {answer.text}"
            )
        return answer.json()


def _task(row: dict[str, Any]) -> str:
    task, index = row["task_id"], row["map_index"]
    return str(task) if index < 0 else f"{task}[{index}]"


def _run(row: dict[str, Any]) -> DagRun:
    logical = row["logical_date"]
    return DagRun(
        dag_id=row["dag_id"],
        run_id=row["dag_run_id"],
        state=row["state"],
        run_type=row["run_type"],
        run_after=datetime.fromisoformat(row["run_after"]),
        logical_date=datetime.fromisoformat(logical) if logical else None,
        seconds=row["duration"],
    )
