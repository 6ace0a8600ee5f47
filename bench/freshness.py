"""The section ``freshness``: how long until a storefront reads what an event has changed.

Everything runs as it is shipped: the local servers, Airflow, every Dag on its own schedule. The
bench only sends events, at a steady rate, and reads.

Each second one event is a sample: an order of a product that nobody else orders. It is seen when
``Storefront`` reads a record that names the product, and the live version is of a score set whose
scoring began after the build that took the order in. The record's ``as_of`` could not say so: all
day long it is the midnight after the newest event. Half a second is as fine as the bench looks.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil, inf

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from rich.console import Console
from rich.table import Table

from bench.live_shop import Sample, open_shop, visits
from footfall.demo import LIMIT_SECONDS, PARSED_SECONDS
from footfall.events.producer import Replay, send
from footfall.settings import ROOT, settings
from footfall.stack import servers
from footfall.stack.airflow_api import AirflowApi
from footfall.storefront.client import Storefront
from footfall.warehouse.connection import connect

CUSTOMERS = 2_000
RATE = 200
SECONDS = 600
DEADLINE_SECONDS = 300
"""How long after the last event a sample may appear still."""
LOOK_SECONDS = 0.5
MOST_AT_ONCE = 1_000
# A few hundred customers do what those of a large shop do: their scores move as fast.
WIDE_BOUNDS = {"FOOTFALL_MOST_SCORE_SHIFT": "1", "FOOTFALL_MOST_SEGMENT_CHANGE": "1"}
WIDTH = 120

Say = Callable[[str], None]

_STEPS = """
    select
        events.message_id, loads.committed_at as loaded_at, build.started_at as build_began_at,
        build.finished_at as built_at, scores.score_set, scores.completed_at as scoring_began_at,
        checked.checked_at
    from raw.events
    join raw.loads using (load_id)
    left join lateral (
        select builds.* from ops.build_loads
        join ops.builds using (build_id)
        where build_loads.load_id = events.load_id and builds.finished_at is not null
        order by build_id limit 1
    ) as build on true
    left join lateral (
        -- completed_at is the clock as scoring began; the set is there once it is committed
        select score_sets.* from ml.score_sets
        where score_sets.completed_at >= build.finished_at
        order by score_set limit 1
    ) as scores on true
    left join lateral (
        select verdicts.checked_at from ops.gate_verdicts as verdicts
        where verdicts.gate = 'scores' and verdicts.subject = scores.score_set::text
        order by verdict_id limit 1
    ) as checked on true
    where events.message_id = any(%s) and events.occurred_at >= %s
"""


@dataclass(frozen=True)
class Steps:
    """When each step that an event has to take was done; None: not yet."""

    message_id: str
    loaded_at: datetime
    build_began_at: datetime | None
    built_at: datetime | None
    score_set: int | None
    scoring_began_at: datetime | None
    checked_at: datetime | None


@dataclass(frozen=True)
class Ran:
    """The runs of one Dag that began while events came."""

    dag_id: str
    states: Sequence[str]
    seconds: Sequence[float]
    task_seconds: Mapping[str, Sequence[float]]
    failures: Sequence[str] = ()


@dataclass
class Measured:
    """What was sent, and what became of the samples; seconds by sample, inf: never seen."""

    customers: int
    records: int
    sent: int
    seconds: float
    latencies: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    runs: list[Ran] = field(default_factory=list)


def measure(*, customers: int, rate: int, seconds: int, say: Say) -> Measured:
    """Start everything, send events for so many seconds, and wait for the last sample.

    Args:
        customers: of the simulated shop.
        rate: events a second.
        seconds: how long they come.
        say: tells how far it is.
    """
    say("freshness: starting servers")
    servers.up()
    buyers = open_shop(customers, now=datetime.now(UTC), say=say)
    say("freshness: starting Airflow")
    found = servers.up(airflow=True).as_dict()["airflow"]
    with AirflowApi(found["url"], found["username"], found["password"]) as api:
        _unpause(api)
        say(f"freshness: {rate} events a second for {seconds} s")
        began = datetime.now(UTC)
        samples: list[Sample] = []
        with ThreadPoolExecutor(1) as aside, connect(autocommit=True) as connection:
            events = visits(buyers, events=rate * seconds, sample_every=rate, samples=samples)
            sending = aside.submit(send, events, rate=rate)
            live, steps = _watch(connection, sending, samples, began)
        sent = sending.result()
        measured = Measured(customers, len(buyers), sent.records, sent.seconds)
        _reckon(measured, samples, live, steps)
        measured.runs = _runs(api, began)
    return measured


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value that the share of all does not exceed; inf among them is never."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * share) - 1, 0)] if ordered else inf


def seen_at(
    named_at: datetime | None, score_set: int | None, live: Sequence[tuple[datetime, int]]
) -> datetime | None:
    """Return when a sample was seen: its product named, and its score set or a later one live.

    Args:
        named_at: when a record named the product first.
        score_set: the first one that knew the order.
        live: each score set that was found live, and when first.
    """
    if named_at is None or score_set is None:
        return None
    since = next((at for at, number in live if number >= score_set), None)
    return None if since is None else max(named_at, since)


def _unpause(api: AirflowApi) -> None:
    """Let every Dag run, once Airflow knows all of them; wait until their first runs are over."""
    every = {file.stem for file in (ROOT / "dags").glob("*.py")}
    api.until(
        lambda: every <= set(api.dags()),
        seconds=PARSED_SECONDS,
        waiting_for="Airflow to parse the Dags",
    )
    for dag_id in sorted(every):
        api.pause(dag_id, paused=False)
    api.until(
        lambda: (
            api.runs("load_events")
            and all(run.is_over for dag_id in every for run in api.runs(dag_id))
        ),
        seconds=LIMIT_SECONDS,
        waiting_for="the Dags' first runs",
    )


def _watch(
    connection: Connection[TupleRow],
    sending: "Future[Replay]",
    samples: Sequence[Sample],
    began: datetime,
) -> tuple[list[tuple[datetime, int]], dict[str, Steps]]:
    """Read as a storefront does until every sample is seen, or the deadline is over.

    Returns:
        Each score set that was found live and when first; the steps by message id.
    """
    live: list[tuple[datetime, int]] = []
    steps: dict[str, Steps] = {}
    deadline: float | None = None
    with Storefront(settings().redis) as shop:
        while deadline is None or time.monotonic() < deadline:
            is_sent = sending.done()
            _look(shop, [sample for sample in samples if sample.named_at is None][:MOST_AT_ONCE])
            _note_live(connection, live)
            if is_sent:
                deadline = deadline or time.monotonic() + DEADLINE_SECONDS
                if all(sample.named_at for sample in samples):
                    steps = _steps(connection, samples, began)
                    if all(_seen(sample, steps, live) for sample in samples):
                        return live, steps
            time.sleep(LOOK_SECONDS)
    return live, _steps(connection, samples, began)


def _look(shop: Storefront, waiting: Sequence[Sample]) -> None:
    profiles = shop.get_many(sample.buyer.customer_id for sample in waiting)
    now = datetime.now(UTC)
    for sample in waiting:
        if sample.product_id in profiles[sample.buyer.customer_id].products:
            sample.named_at = now


def _note_live(connection: Connection[TupleRow], live: list[tuple[datetime, int]]) -> None:
    row = connection.execute(
        "select score_set from serving.publications where state = 'live'"
    ).fetchone()
    if row and (not live or live[-1][1] != row[0]):
        live.append((datetime.now(UTC), row[0]))


def _steps(
    connection: Connection[TupleRow], samples: Sequence[Sample], began: datetime
) -> dict[str, Steps]:
    ids = [sample.message_id for sample in samples]
    with connection.cursor(row_factory=class_row(Steps)) as cursor:
        cursor.execute(_STEPS, (ids, began - timedelta(seconds=1)))
        return {step.message_id: step for step in cursor}


def _seen(
    sample: Sample, steps: Mapping[str, Steps], live: Sequence[tuple[datetime, int]]
) -> datetime | None:
    step = steps.get(sample.message_id)
    return seen_at(sample.named_at, step and step.score_set, live)


def _reckon(
    measured: Measured,
    samples: Sequence[Sample],
    live: Sequence[tuple[datetime, int]],
    steps: Mapping[str, Steps],
) -> None:
    """Fill in how long each sample took, and its way from step to step."""
    taken = defaultdict[str, list[float]](list)
    for sample in samples:
        seen, step = _seen(sample, steps, live), steps.get(sample.message_id)
        if seen is None or step is None:
            measured.latencies.append(inf)
            continue
        measured.latencies.append((seen - sample.sent_at).total_seconds())
        before = sample.sent_at
        for name, at in (
            ("until it is loaded", step.loaded_at),
            ("until a build begins", step.build_began_at),
            ("build", step.built_at),
            ("until scoring begins", step.scoring_began_at),
            ("score, and the gate", step.checked_at),
            ("until it is seen", seen),
        ):
            if at is not None:
                taken[name].append((at - before).total_seconds())
                before = at
    measured.steps = dict(taken)


def _runs(api: AirflowApi, began: datetime) -> list[Ran]:
    found = []
    for dag_id in sorted(api.dags()):
        runs = api.runs(dag_id, since=began)
        tasks = defaultdict[str, list[float]](list)
        for run in runs:
            for task, seconds in api.task_seconds(run).items():
                tasks[task.partition("[")[0]].append(seconds)
        if runs:
            seconds = [run.seconds for run in runs if run.seconds]
            failures = [
                f"{dag_id}, {task}: {error}"
                for run in runs
                if run.state == "failed"
                for task, error in api.failures(run).items()
            ]
            found.append(Ran(dag_id, [run.state for run in runs], seconds, tasks, failures))
    return found


def show(measured: Measured, *, load: str) -> None:
    """Print three tables: event to Redis, the way from step to step, the Dags' runs."""
    out = Console(width=None if Console().is_terminal else WIDTH)
    latencies = measured.latencies
    third = max(len(latencies) // 3, 1)
    rate = measured.sent / measured.seconds
    out.print(
        f"freshness: {measured.sent:,} events at {rate:.0f}/s of {measured.records:,} customers "
        f"with a record, in a shop of {measured.customers:,} ({load})",
        highlight=False,
        soft_wrap=True,
    )
    table = _table(
        "event → Redis",
        ("samples", "p50 s", "p95 s", "max s", f"not seen {DEADLINE_SECONDS} s later"),
    )
    for name, part in (
        ("all", latencies),
        ("of the first third", latencies[:third]),
        ("of the last third", latencies[-third:]),
    ):
        table.add_row(name, f"{len(part):,}", *_figures(part), str(part.count(inf)))
    out.print(table)
    table = _table("a sample's way", ("p50 s", "p95 s", "max s"))
    for name, part in measured.steps.items():
        table.add_row(name, *_figures(part))
    out.print(table)
    table = _table("runs of the Dags", ("runs", "failed", "p50 s", "max s"))
    table.add_column("tasks, p50 s")
    for ran in measured.runs:
        tasks = {task: statistics.median(each) for task, each in ran.task_seconds.items()}
        table.add_row(
            ran.dag_id,
            str(len(ran.states)),
            str(ran.states.count("failed")),
            _number(percentile(ran.seconds, 0.5)),
            _number(percentile(ran.seconds, 1)),
            ", ".join(f"{task} {seconds:.1f}" for task, seconds in tasks.items()),
        )
    out.print(table)
    for failure in (failure for ran in measured.runs for failure in ran.failures):
        out.print(failure, highlight=False, markup=False, soft_wrap=True)


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title)
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _figures(values: Sequence[float]) -> list[str]:
    return [_number(percentile(values, share)) for share in (0.5, 0.95, 1)]


def _number(seconds: float) -> str:
    return "–" if seconds == inf else f"{seconds:.1f}"
