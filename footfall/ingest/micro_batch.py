"""Load records from Kafka into Postgres, exactly once: one micro-batch is one transaction.

Rows, rejects, ledger and offsets are committed together. Whoever is killed leaves either all of a
batch or nothing; whoever was overtaken by another loader is fenced out and writes nothing. While
Postgres stores one batch, the next is read and decoded; no more than these two are in memory.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.ingest import gaps as gap_policy
from footfall.ingest import reject_rate
from footfall.ingest.feed import Feed, Taken, events
from footfall.ingest.reader import OutOfRange, Partition, Reader, open_reader
from footfall.settings import settings
from footfall.warehouse import loads, offsets
from footfall.warehouse.loads import Load, Origin, Range
from footfall.warehouse.offsets import Gap, GapKind, Offset

SWITCH_SECONDS = 0.0002


@dataclass(frozen=True)
class Ingested:
    """What a run loaded: records_read = stored + duplicates + rejected."""

    loads: int
    records_read: int
    stored: int
    duplicates: int
    rejected: int
    seconds: float


@dataclass(frozen=True)
class _Read(Generic[Taken]):
    """A batch, and the offsets that its load moves: from ``before`` to ``after``."""

    origin: Origin
    batch: Taken
    before: list[Offset]
    after: list[Offset]
    gaps: list[Gap]


def ingest_once(*, accept_gap: bool = False) -> Load | None:
    """Load one micro-batch of events; None if there was nothing to read.

    Args:
        accept_gap: go on where Kafka does not hold the stored offset any more, and say so in the
        ledger and in ``raw.gaps``.

    Raises:
        Fenced: another loader was faster; nothing was written.
        GapFound: records may be missing; FOOTFALL_ACCEPTED_GAPS and ``accept_gap`` do not allow it.
        TooManyRejects: more than FOOTFALL_MOST_REJECTED of a topic's records cannot be read.
        ServerUnavailable: Kafka or Postgres does not answer.
        NotFound: a topic of FOOTFALL_TOPICS does not exist.
    """
    return next(iter(list(load_batches(events(), most=1, accept_gap=accept_gap))), None)


def ingest_until_caught_up(
    *,
    most_loads: int | None = None,
    accept_gap: bool = False,
    on_progress: Callable[[int], None] | None = None,
    partitions: Sequence[Partition] | None = None,
) -> Ingested:
    """Load micro-batches of events up to the end of every partition, or ``most_loads`` of them.

    ``on_progress`` is called with the number of records loaded so far. ``partitions`` are the
    (topic, partition)s to load, None is all. Raises as ``ingest_once`` does.
    """
    started = time.monotonic()
    done: list[Load] = []
    for load in load_batches(
        events(), most=most_loads, accept_gap=accept_gap, partitions=partitions
    ):
        done.append(load)
        if on_progress is not None:
            on_progress(sum(load.records_read for load in done))
    return add_up(done, time.monotonic() - started)


def add_up(parts: Sequence[Load | Ingested], seconds: float) -> Ingested:
    """Add up loads, or what loaders that worked side by side have loaded."""
    return Ingested(
        loads=sum(part.loads if isinstance(part, Ingested) else 1 for part in parts),
        records_read=sum(part.records_read for part in parts),
        stored=sum(part.stored for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        rejected=sum(part.rejected for part in parts),
        seconds=round(seconds, 3),
    )


def load_batches(
    feed: Feed[Taken],
    *,
    most: int | None = None,
    accept_gap: bool = False,
    partitions: Sequence[Partition] | None = None,
) -> Iterator[Load]:
    """Yield each load of a feed once it is committed."""
    with (
        _threads_taking_turns(),
        open_reader(settings().kafka, feed.topics, partitions=partitions) as reader,
        loads.session() as connection,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as executor,
    ):
        storing: Future[Load | None] | None = None
        for read in _batches(feed, reader, connection, most=most, accept_gap=accept_gap):
            if storing is not None:
                yield from _done(storing)
            storing = executor.submit(_store, connection, read)
        if storing is not None:
            yield from _done(storing)


def _done(storing: Future[Load | None]) -> Iterator[Load]:
    """Wait until a batch is stored; yield its load, if it is one."""
    load = storing.result()
    if load is not None:
        yield load


@contextmanager
def _threads_taking_turns() -> Iterator[None]:
    """Have the thread that stores wait a moment, not 5 ms, whenever its socket takes more."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _store(connection: Connection[TupleRow], read: _Read[Any]) -> Load | None:
    """Store a batch; None where it is empty: going on beyond accepted gaps is no load."""
    moves = [
        (before, after.next_offset)
        for before, after in zip(read.before, read.after, strict=True)
        if after.next_offset is not None and after != before
    ]
    if not read.batch.records_read:
        cluster_id, topic_ids = read.origin.cluster_id, read.origin.topic_ids
        with connection.transaction():
            offsets.move(connection, cluster_id, topic_ids, moves, None)
            offsets.note_gaps(connection, cluster_id, read.gaps, accepted=True)
        return None
    reject_rate.check(read.batch, read.origin.ranges, most=settings().most_rejected)
    return loads.in_transaction(
        connection,
        lambda: loads.store(connection, read.origin, read.batch, moves, read.gaps),
    )


def _batches(
    feed: Feed[Taken],
    reader: Reader,
    connection: Connection[TupleRow],
    *,
    most: int | None,
    accept_gap: bool,
) -> Iterator[_Read[Taken]]:
    """Yield batches up to the end of every partition, each going on where the one before ends.

    An empty one comes where there are gaps to go beyond and nothing to load. After the first one
    the connection belongs to the thread that stores.
    """
    opened, opened_at = time.monotonic(), loads.clock(connection)
    before = offsets.offsets(connection, reader.cluster_id, reader.partitions)
    starts, gaps = gap_policy.find(before, reader.first_offsets(), reader.topic_ids)
    _pass_over(reader, gaps, accept_gap=accept_gap)
    made = 0
    while most is None or made < most:
        started_at = opened_at + timedelta(seconds=time.monotonic() - opened)
        try:
            reader.seek(starts)
            batch = _fill(feed, reader, started_at)
        except OutOfRange as beyond:
            if starts[beyond.partition] == reader.first_offsets()[beyond.partition]:
                raise
            gap = _beyond(starts, beyond.partition, reader)
            _pass_over(reader, [gap], accept_gap=accept_gap)
            starts, gaps = starts | {beyond.partition: gap.to_offset}, [*gaps, gap]
            continue
        if not batch.records_read and not gaps:
            return
        reader.check_topics()
        ends = reader.positions()
        passed_over = {(gap.topic, gap.partition) for gap in gaps}
        after = [
            _moved(reader, at, ends[at.place])
            if ends[at.place] > starts[at.place] or at.place in passed_over
            else at
            for at in before
        ]
        yield _Read(
            origin=_origin(reader, started_at, before, starts, ends),
            batch=batch,
            before=before,
            after=after,
            gaps=gaps,
        )
        made += 1
        if reader.at_end():  # as it is where nothing was read
            return
        before, starts, gaps = after, ends, []


def _fill(feed: Feed[Taken], reader: Reader, started_at: datetime) -> Taken:
    """Read and decode the records of one batch; bytes are dropped as soon as they are encoded."""
    batch = feed.new_batch()
    for chunk in reader.chunks(
        most_records=settings().batch_records, most_bytes=settings().batch_bytes
    ):
        feed.take(batch, chunk, started_at)
    return batch


def _origin(
    reader: Reader,
    started_at: datetime,
    before: list[Offset],
    starts: dict[Partition, int],
    ends: dict[Partition, int],
) -> Origin:
    return Origin(
        cluster_id=reader.cluster_id,
        started_at=started_at,
        ranges=[
            Range(*at.place, starts[at.place], ends[at.place], expected=at.next_offset)
            for at in before
            if ends[at.place] > starts[at.place]
        ],
        topic_ids=reader.topic_ids,
    )


def _moved(reader: Reader, at: Offset, end: int) -> Offset:
    """Return the offset as it will be once a load has read up to the end."""
    topic_id = reader.topic_ids.get(at.topic, "")
    return replace(at, next_offset=end, epoch=at.epoch + 1, topic_id=topic_id)


def _beyond(starts: dict[Partition, int], partition: Partition, reader: Reader) -> Gap:
    """Return the gap of a partition whose stored offset Kafka does not hold."""
    wanted, oldest = starts[partition], reader.first_offsets()[partition]
    kind = GapKind.RETENTION if wanted < oldest else GapKind.BEYOND_END
    return Gap(*partition, kind, wanted, oldest)


def _pass_over(reader: Reader, gaps: list[Gap], *, accept_gap: bool) -> None:
    """Note gaps that were found; raise GapFound unless all are accepted."""
    accepted = list(GapKind) if accept_gap else settings().accepted_gap_list
    refused = gap_policy.refused(gaps, accepted)
    if refused:
        with loads.session() as connection:
            offsets.note_gaps(connection, reader.cluster_id, refused)
    gap_policy.refuse(refused)
