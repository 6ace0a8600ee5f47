"""Load a large backlog by several processes, one for each group of partitions.

One process keeps one core busy with decoding while Postgres keeps another; where the backlog is
worth it, a second process fills what both leave. Each moves the offsets of its own partitions only.
"""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import Any

from footfall.errors import FootfallError
from footfall.ingest.groups import partition_groups
from footfall.ingest.micro_batch import Ingested, add_up, ingest_until_caught_up
from footfall.ingest.reader import Partition
from footfall.settings import settings

_counts: Any  # how many records each process has loaded; no lock, which one that is killed keeps


def ingest_side_by_side(
    *, accept_gap: bool = False, on_progress: Callable[[int], None] = lambda records: None
) -> Ingested:
    """Load up to the end of every partition, by as many processes as the backlog is worth.

    At most FOOTFALL_LOADERS, and no more than there are cores. This process is one of them: it
    ends last, and those it started end with it, whatever ends it.

    Args:
        accept_gap: as ``ingest_until_caught_up`` takes it, as is what it raises.
        on_progress: called with the number of records that all have loaded so far.

    Raises:
        FootfallError: another process was killed; what all have committed stays.
    """
    cores = len(os.sched_getaffinity(0))
    own, *others = partition_groups(min(settings().loaders, cores))
    if not others:
        return ingest_until_caught_up(accept_gap=accept_gap, on_progress=on_progress)
    context = get_context("spawn")
    counts = context.RawArray("q", len(others))
    try:
        with ProcessPoolExecutor(len(others), context, _begin, (counts,)) as executor:
            elsewhere = [
                executor.submit(_load, number, group, accept_gap)
                for number, group in enumerate(others)
            ]
            mine = ingest_until_caught_up(
                accept_gap=accept_gap,
                on_progress=lambda records: on_progress(records + sum(counts)),
                partitions=own,
            )
            done = [mine, *(future.result() for future in elsewhere)]
            return add_up(done, max(one.seconds for one in done))
    except BrokenProcessPool:
        raise FootfallError(
            "a loader beside this one was killed (is there too little memory?); what was committed "
            "stays, and the rest is loaded by: footfall ingest (FOOTFALL_LOADERS=1 for one process)"
        ) from None


def _begin(counts: Any) -> None:
    """Prepare a process: it counts what it loads, and ends with the one that started it."""
    global _counts
    _counts = counts
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _load(number: int, partitions: list[Partition], accept_gap: bool) -> Ingested:
    def count(records: int) -> None:
        _counts[number] = records

    return ingest_until_caught_up(accept_gap=accept_gap, on_progress=count, partitions=partitions)
