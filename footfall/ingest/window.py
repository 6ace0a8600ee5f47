"""Load a window of time from Kafka again: what is stored already stays as it is.

The window is of the events' own time, and Kafka is not ordered by it. An event may come however
late, so what Kafka holds is read up to its end; but none lies more than a day after its record's
time stamp, so what came earlier than a day before the window is not read. Offsets are never moved:
the loader of new records goes on where it was.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import BadArgument
from footfall.events.decode import decode
from footfall.events.event import Event, Reject
from footfall.events.native import FUTURE_TOLERANCE
from footfall.ingest.micro_batch import Ingested, add_up
from footfall.ingest.reader import EPOCH, Partition, Reader, open_reader
from footfall.settings import settings
from footfall.warehouse import loads
from footfall.warehouse.events import EventBatch
from footfall.warehouse.loads import Load, Origin, Range

# So long before an event its record may have come.
EARLIER = FUTURE_TOLERANCE + timedelta(minutes=1)


def ingest_window(
    since: datetime | None,
    until: datetime | None,
    *,
    partitions: Sequence[Partition] | None = None,
) -> Ingested:
    """Load the events with since <= occurred_at < until that Kafka holds and the database does not.

    Records that cannot be read belong to no window; the loader of new records sets them aside.
    Running it twice changes nothing; a batch without any event of the window leaves no load.

    Args:
        since: None is from the first event on.
        until: None is up to the last event.
        partitions: the (topic, partition)s to read, None is all.

    Raises:
        BadArgument: since is not before until.
        ServerUnavailable: Kafka or Postgres does not answer.
        NotFound: a topic of FOOTFALL_TOPICS does not exist.
    """
    if since is not None and until is not None and since >= until:
        raise BadArgument(
            f"the window is empty: since {since.isoformat()} is not before until "
            f"{until.isoformat()}"
        )
    started = time.monotonic()
    done: list[Load] = []
    with (
        open_reader(settings().kafka, settings().topic_list, partitions=partitions) as reader,
        loads.session() as connection,
    ):
        opened_at = loads.clock(connection)
        starts = _starts(reader, since)
        reader.seek(starts)
        while not reader.at_end():
            started_at = opened_at + timedelta(seconds=time.monotonic() - started)
            batch = _fill(reader, started_at, since, until)
            ends = reader.positions()
            if batch.records_read:
                reader.check_topics()
                ranges = _ranges(starts, ends)
                origin = Origin(reader.cluster_id, started_at, ranges, reader.topic_ids)
                done.append(_store(connection, origin, batch))
            starts = ends
    return add_up(done, time.monotonic() - started)


def _starts(reader: Reader, since: datetime | None) -> dict[Partition, int]:
    if since is None or since < EPOCH + EARLIER:
        return reader.first_offsets()
    return reader.offsets_since(since - EARLIER)


def _fill(
    reader: Reader, started_at: datetime, since: datetime | None, until: datetime | None
) -> EventBatch:
    """Read one batch, and keep of it what occurred in the window."""
    batch = EventBatch()
    first_day = settings().first_day
    for chunk in reader.chunks(
        most_records=settings().batch_records, most_bytes=settings().batch_bytes
    ):
        for record in chunk:
            received_at = record.received_at or started_at
            result = decode(record.value, received_at=received_at, first_day=first_day)
            wanted = _within(result, since, until)
            if wanted:
                place = record.topic, record.partition, record.offset
                batch.add(*place, received_at, wanted, record.value)
    return batch


def _store(connection: Connection[TupleRow], origin: Origin, batch: EventBatch) -> Load:
    return loads.in_transaction(connection, lambda: loads.store(connection, origin, batch))


def _within(
    result: Event | Reject | Sequence[Event], since: datetime | None, until: datetime | None
) -> list[Event]:
    if isinstance(result, Reject):
        return []
    events = [result] if isinstance(result, Event) else result
    return [
        event
        for event in events
        if (since is None or event.occurred_at >= since)
        and (until is None or event.occurred_at < until)
    ]


def _ranges(starts: dict[Partition, int], ends: dict[Partition, int]) -> list[Range]:
    return [
        Range(*partition, start, ends[partition])
        for partition, start in starts.items()
        if ends[partition] > start
    ]
