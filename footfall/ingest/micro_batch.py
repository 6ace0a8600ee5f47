"""Load events from Kafka into ``raw.events``, exactly once: one micro-batch is one transaction.

Rows, rejects, ledger and offsets are committed together. Whoever is killed leaves either all of a
batch or nothing; whoever was overtaken by another loader is fenced out and writes nothing. While
Postgres stores one batch, the next is read and decoded; no more than these two are in memory.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import FootfallError
from footfall.events.decode import decode
from footfall.ingest.reader import OutOfRange, Partition, Reader, Record, open_reader
from footfall.settings import settings
from footfall.warehouse import loads
from footfall.warehouse.loads import Load, Offset, Range, Read


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
class _Batch:
    """Decoded records, and the offsets that their load moves: from ``before`` to ``after``."""

    started_at: datetime
    reads: list[Read]
    ranges: list[Range]
    before: list[Offset]
    after: list[Offset]


def ingest_once(*, accept_gap: bool = False) -> Load | None:
    """Load one micro-batch; None if there was nothing to read.

    Args:
        accept_gap: go on where Kafka does not hold the stored offset any more, and say so in the
        ledger.

    Raises:
        Fenced: another loader was faster; nothing was written.
        FootfallError: records were deleted before they were loaded, and ``accept_gap`` is not set.
        ServerUnavailable: Kafka or Postgres does not answer.
        NotFound: a topic of FOOTFALL_TOPICS does not exist.
    """
    return next(iter(list(_load_batches(most=1, accept_gap=accept_gap))), None)


def ingest_until_caught_up(
    *,
    most_loads: int | None = None,
    accept_gap: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> Ingested:
    """Load micro-batches up to the end of every partition, or ``most_loads`` of them.

    ``on_progress`` is called with the number of records loaded so far. Raises as ``ingest_once``
    does.
    """
    started = time.monotonic()
    done: list[Load] = []
    for load in _load_batches(most=most_loads, accept_gap=accept_gap):
        done.append(load)
        if on_progress is not None:
            on_progress(sum(load.records_read for load in done))
    return total(done, time.monotonic() - started)


def total(done: list[Load], seconds: float) -> Ingested:
    """Add up loads."""
    return Ingested(
        loads=len(done),
        records_read=sum(load.records_read for load in done),
        stored=sum(load.stored for load in done),
        duplicates=sum(load.duplicates for load in done),
        rejected=sum(load.rejected for load in done),
        seconds=round(seconds, 3),
    )


def decode_record(record: Record, otherwise: datetime) -> Read:
    """Decode one record that was received at its time stamp, ``otherwise`` if it has none."""
    received_at = record.received_at or otherwise
    result = decode(record.value, received_at=received_at, first_day=settings().first_day)
    return Read(record.topic, record.partition, record.offset, received_at, result, record.value)


def _load_batches(*, most: int | None, accept_gap: bool) -> Iterator[Load]:
    """Yield each load once it is committed."""
    with (
        open_reader(settings().kafka, settings().topic_list) as reader,
        loads.session() as connection,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="store") as executor,
    ):
        storing: Future[Load] | None = None
        for batch in _batches(reader, connection, most=most, accept_gap=accept_gap):
            if storing is not None:
                yield storing.result()
            storing = executor.submit(_store, connection, reader.cluster_id, batch)
        if storing is not None:
            yield storing.result()


def _store(connection: Connection[TupleRow], cluster_id: str, batch: _Batch) -> Load:
    moves = [
        (before, after.next_offset)
        for before, after in zip(batch.before, batch.after, strict=True)
        if after.next_offset is not None and after != before
    ]
    with connection.transaction():
        return loads.store(
            connection, cluster_id, batch.started_at, batch.reads, batch.ranges, moves
        )


def _batches(
    reader: Reader, connection: Connection[TupleRow], *, most: int | None, accept_gap: bool
) -> Iterator[_Batch]:
    """Yield batches up to the end of every partition, each going on where the one before ends."""
    opened, opened_at = time.monotonic(), loads.clock(connection)
    before = loads.offsets(connection, reader.cluster_id, reader.partitions)
    starts = _starts(before, reader.first_offsets(), accept_gap=accept_gap)
    made = 0
    while most is None or made < most:
        started_at = opened_at + timedelta(seconds=time.monotonic() - opened)
        starts, records = _read(reader, starts, accept_gap=accept_gap)
        if not records:
            return
        ends = reader.positions()
        after = [_moved(at, starts[at.place], ends[at.place]) for at in before]
        yield _Batch(
            started_at=started_at,
            reads=[decode_record(record, started_at) for record in records],
            ranges=[
                Range(*at.place, starts[at.place], ends[at.place], expected=at.next_offset)
                for at in before
                if ends[at.place] > starts[at.place]
            ],
            before=before,
            after=after,
        )
        made += 1
        if reader.at_end():
            return
        before, starts = after, ends


def _moved(at: Offset, start: int, end: int) -> Offset:
    """Return the offset as it will be once a load has read from start to end."""
    return replace(at, next_offset=end, epoch=at.epoch + 1) if end > start else at


def _read(
    reader: Reader, starts: dict[Partition, int], *, accept_gap: bool
) -> tuple[dict[Partition, int], list[Record]]:
    """Return where reading started after all, and the records of one batch."""
    while True:
        reader.seek(starts)
        try:
            return starts, reader.read(
                most_records=settings().batch_records, most_bytes=settings().batch_bytes
            )
        except OutOfRange as beyond:
            first = reader.first_offsets()[beyond.partition]
            if not accept_gap or starts[beyond.partition] == first:
                raise
            starts = starts | {beyond.partition: first}


def _starts(
    stored: list[Offset], first: dict[Partition, int], *, accept_gap: bool
) -> dict[Partition, int]:
    """Return where to start in each partition.

    Raises:
        FootfallError: records are gone that were never loaded, and ``accept_gap`` is not set.
    """
    for at in stored:
        oldest = first[at.place]
        if at.next_offset is not None and at.next_offset < oldest and not accept_gap:
            raise FootfallError(
                f"{oldest - at.next_offset} records of {at.topic}[{at.partition}] (offsets "
                f"{at.next_offset} to {oldest - 1}) were deleted from Kafka before they were "
                "loaded; to go on without them: footfall ingest --accept-gap"
            )
    return {at.place: max(at.next_offset or 0, first[at.place]) for at in stored}
