"""Several processes load one backlog: together all of it, once; none outlives the first."""

import multiprocessing
import os
import subprocess
import sys

import psutil
import pytest

from footfall.errors import FootfallError
from footfall.ingest import groups
from footfall.ingest.gaps import GapFound
from footfall.ingest.side_by_side import ingest_side_by_side
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send

PARENT = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from footfall.ingest.side_by_side import _begin
context = get_context("spawn")
with ProcessPoolExecutor(1, context, _begin, (context.RawArray("q", 1),)) as executor:
    print(executor.submit(os.getpid).result(), flush=True)
    executor.submit(time.sleep, 600).result()
"""


@pytest.fixture
def two_loaders(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a backlog of some hundred records shared by two processes."""
    set_environment(monkeypatch, loaders=2)
    monkeypatch.setattr(groups, "WORTH_A_LOADER", 100)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})


def test_processes_side_by_side_load_a_backlog_once(
    two_loaders: None, send: Send, query: Query
) -> None:
    send(encode(order(f"o-{number % 900}")) for number in range(1_000))
    seen: list[int] = []
    done = ingest_side_by_side(on_progress=seen.append)
    assert (done.records_read, done.stored, done.duplicates) == (1_000, 900, 100)
    assert query("select count(*) from raw.events") == [(900,)]
    assert 500 <= seen[-1] <= 1_000
    ranges = [read for (read,) in query("select offset_ranges from raw.loads")]
    shares = {tuple(part["partition"] for part in read) for read in ranges}
    assert shares == {(0, 2), (1, 3)}


def test_what_stops_another_process_is_told(two_loaders: None, send: Send, query: Query) -> None:
    send(encode(order(f"o-{number}")) for number in range(400))
    ingest_side_by_side()
    query("update raw.partition_offsets set topic_id = 'another' where partition = 1")
    send(encode(order(f"late-{number}")) for number in range(400))
    with pytest.raises(GapFound, match=r"\[1\] .*made anew"):
        ingest_side_by_side()
    assert query("select count(*) from raw.events where message_id like 'm-late%%'") == [(200,)]


def test_a_loader_that_is_killed_is_told_and_the_next_run_loads_the_rest(
    two_loaders: None, send: Send, query: Query
) -> None:
    send(encode(order(f"o-{number}")) for number in range(400))

    def kill_the_other(records: int) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(FootfallError, match=r"was killed .* loaded by: footfall ingest"):
        ingest_side_by_side(on_progress=kill_the_other)
    assert ingest_side_by_side().stored == 200
    assert query("select count(*) from raw.events") == [(400,)]


def test_a_loader_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(20)
