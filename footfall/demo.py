"""The whole of Footfall on this machine, from nothing to a published score: ``make demo``.

Starts the servers and Airflow, replays a real shop's year through Kafka, lets Airflow run the Dags,
and prints what to look at. A second time it finds everything done, and only looks.
"""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from footfall import showcase
from footfall.errors import BadArgument, FootfallError
from footfall.settings import settings
from footfall.stack.airflow_api import AirflowApi, RunFailed

SOURCE = "complete-journey"
DAGS = (
    "publish_scores",
    "score_customers",
    "train_models",
    "build_warehouse",
    "snapshot_features",
    "load_events",
)
PARSED_SECONDS = 120
LIMIT_SECONDS = 600


def main() -> None:
    """Run the demo; turn every error into one line."""
    try:
        demo()
    except FootfallError as error:
        sys.stderr.write(f"demo: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write(
            "demo: interrupted; what is done stays done: make demo goes on from here\n"
        )
        sys.exit(130)


def demo() -> None:
    """Start, replay, run the Dags, show.

    Raises:
        BadArgument: a person would have to approve the models first.
    """
    if settings().promotion_approval == "required" and not _marker().exists():
        raise BadArgument(
            "nothing is scored until a person approves the models "
            "(FOOTFALL_PROMOTION_APPROVAL=required); "
            "run: FOOTFALL_PROMOTION_APPROVAL=none make demo"
        )
    clock = Clock()
    with clock.stage("servers"):
        from footfall.stack.servers import up

        up()
    with ThreadPoolExecutor(1) as aside:
        airflow = aside.submit(lambda: up(airflow=True))
        if _year_is_missing():
            with clock.stage("replay of a shop's year into Kafka") as advance:
                _replay(advance)
        with clock.stage("Airflow, started meanwhile"):
            status = airflow.result().as_dict()["airflow"]
        with AirflowApi(status["url"], status["username"], status["password"]) as api:
            docs = run_dags(api, clock, aside)
    showcase.show(clock.lines(), status, docs)


def run_dags(api: AirflowApi, clock: "Clock", aside: ThreadPoolExecutor) -> str:
    """Let Airflow carry the year from Kafka to Redis; return where the tables' docs are."""
    dags = Dags(api)
    with clock.stage("Dags parsed"):
        dags.unpause()
    with clock.stage("load_events"):
        dags.run("load_events")
    waiting = dags.made("load_events") or showcase.pending_loads()
    if waiting:
        with clock.stage("build_warehouse"):
            if not dags.made("load_events"):
                dags.run("build_warehouse")
            dags.follow("build_warehouse")
    docs = aside.submit(_write_docs)
    untrained = not showcase.champions()
    if untrained:
        with clock.stage("train_models"):
            dags.run("train_models")
    if waiting or untrained or not showcase.is_published(datetime.now(UTC)):
        with clock.stage("score_customers"):
            if not waiting and not untrained:
                dags.run("score_customers")
            dags.follow("score_customers")
        with clock.stage("publish_scores"):
            dags.follow("publish_scores")
    return docs.result()


class Dags:
    """The Dags' runs since the demo began."""

    def __init__(self, api: AirflowApi) -> None:
        self._api = api
        self._began = datetime.now(UTC)

    def unpause(self) -> None:
        """Wait until Airflow knows every Dag, and let them run.

        Raises:
            RunFailed: a Dag cannot be imported; names its file.
        """

        def known() -> bool:
            if errors := self._api.import_errors():
                file, trace = next(iter(errors.items()))
                raise RunFailed(
                    f"Dag file {file} cannot be imported: {trace.strip().splitlines()[-1]}"
                )
            return set(DAGS) <= set(self._api.dags())

        self._api.until(known, seconds=PARSED_SECONDS, waiting_for="Airflow to parse the Dags")
        for dag_id in DAGS:
            self._api.pause(dag_id, paused=False)

    def run(self, dag_id: str) -> None:
        """Start a Dag by hand and wait until it has succeeded."""
        with _log_named():
            self._api.wait(self._api.trigger(dag_id), seconds=LIMIT_SECONDS)

    def made(self, dag_id: str) -> bool:
        """Say whether a Dag has told of its asset since the demo began."""
        events = self._api.asset_events(dag_id)
        return any(datetime.fromisoformat(event["timestamp"]) >= self._began for event in events)

    def follow(self, dag_id: str) -> None:
        """Wait until a Dag, started by the asset before it, has told of its own.

        Raises:
            RunFailed: a run of it failed, or it takes too long.
        """

        def over() -> bool:
            for run in self._api.runs(dag_id, since=self._began):
                if run.is_over:
                    self._api.succeeded(run)
            return self.made(dag_id)

        with _log_named():
            self._api.until(over, seconds=LIMIT_SECONDS, waiting_for=f"Dag {dag_id}")


class Clock:
    """Tells of each stage while it runs, and keeps its seconds."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int], None]]:
        """Time a stage; yield ``advance(done)``. It moves on a terminal, elsewhere it is a line."""
        started = time.monotonic()
        with _moving(name) if sys.stderr.isatty() else _still(name) as advance:
            yield advance
        self._seconds[name] = time.monotonic() - started
        sys.stdout.write(f"{self._seconds[name]:7.1f} s  {name}\n")
        sys.stdout.flush()

    def lines(self) -> dict[str, float]:
        """Return the seconds of each stage."""
        return dict(self._seconds)


@contextmanager
def _moving(name: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done: bar.update(task, description=f"{name}: {done:,}")


@contextmanager
def _still(name: str) -> Iterator[Callable[[int], None]]:
    sys.stdout.write(f"           {name} …\n")
    sys.stdout.flush()
    yield lambda done: None


@contextmanager
def _log_named() -> Iterator[None]:
    try:
        yield
    except RunFailed as error:
        logs = settings().home / "airflow" / "logs"
        raise RunFailed(f"{error}; the tasks' logs are under {logs}") from None


def _year_is_missing() -> bool:
    """Say whether the year still has to be sent: it was not, or not all of it was loaded."""
    marker = _marker()
    return not marker.exists() or showcase.stored_events() < int(marker.read_text())


def _replay(advance: Callable[[int], None]) -> None:
    from footfall.events.producer import replay

    _marker().write_text(str(replay(SOURCE, on_progress=advance).records))


def _marker() -> Path:
    return settings().home / "replayed-records"


def _write_docs() -> str:
    """Write the tables' docs; return where they are, or why they are not: the path goes on."""
    from footfall.warehouse.docs import generate_docs

    try:
        return str(generate_docs(now=datetime.now(UTC)))
    except FootfallError as error:
        return f"not written: {error}"


if __name__ == "__main__":
    main()
