"""kill -9 at any moment loses nothing and doubles nothing."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from footfall.ingest.micro_batch import ingest_until_caught_up
from tests.conftest import set_environment
from tests.ingest.conftest import Query, Send
from tests.ingest.test_exactly_once import traffic

LOADER = Path(__file__).parent / "doomed_loader.py"
RECORDS = 3_000


def load_until_killed(*, line: int = 0, seconds: float = 60.0) -> int:
    """Run a loader that dies at a line of its code or after so many seconds; give its exit."""
    process = subprocess.Popen(
        [sys.executable, str(LOADER), str(line)], stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    with process, process.stdout as output:
        assert output.readline() == b"loading\n"
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_loader_loses_nothing_and_doubles_nothing(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    send: Send,
    query: Query,
    seed: int,
) -> None:
    set_environment(monkeypatch, batch_records=60)
    values, ids, garbage = traffic(seed, RECORDS)
    send(values)
    chance = random.Random(seed)
    deaths = [
        load_until_killed(line=chance.randrange(100, 4_000)),
        load_until_killed(seconds=chance.uniform(0.05, 0.6)),
        load_until_killed(line=chance.randrange(100, 4_000)),
        load_until_killed(seconds=chance.uniform(0.05, 0.6)),
    ]
    assert -signal.SIGKILL in deaths
    ingest_until_caught_up()

    [(read, stored, duplicates, rejected)] = query(
        "select sum(records_read), sum(stored), sum(duplicates), sum(rejected) from raw.loads"
    )
    assert read == stored + duplicates + rejected == RECORDS
    assert (stored, rejected) == (len(ids), garbage)
    assert query('select message_id from raw.events order by message_id collate "C"') == [
        (message_id,) for message_id in sorted(ids)
    ]
    assert query("select count(*) from raw.rejected_events") == [(garbage,)]
    assert query("select sum(next_offset) from raw.partition_offsets") == [(RECORDS,)]
