"""Load a window of time from Kafka again: what is stored already stays as it is.

The window is of the events' own time. Kafka is not ordered by it, so every record that Kafka still
holds is read. Offsets are never moved: the loader of new records goes on where it was.
"""

import time
from datetime import datetime, timedelta

from footfall.errors import BadArgument
from footfall.events.event import Event
from footfall.ingest.micro_batch import Ingested, decode_record, total
from footfall.ingest.reader import Partition, open_reader
from footfall.settings import settings
from footfall.warehouse import loads
from footfall.warehouse.loads import Load, Range, Read


def ingest_window(since: datetime | None, until: datetime | None) -> Ingested:
    """Load the events with since <= occurred_at < until that Kafka holds and the database does not.

    Records that cannot be read belong to no window; the loader of new records sets them aside.
    Running it twice changes nothing; a batch without any event of the window leaves no load.

    Args:
        since: None is from the first event on.
        until: None is up to the last event.

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
        open_reader(settings().kafka, settings().topic_list) as reader,
        loads.session() as connection,
    ):
        opened_at = loads.clock(connection)
        starts = reader.first_offsets()
        reader.seek(starts)
        while records := reader.read(
            most_records=settings().batch_records, most_bytes=settings().batch_bytes
        ):
            started_at = opened_at + timedelta(seconds=time.monotonic() - started)
            ends = reader.positions()
            reads = [decode_record(record, started_at) for record in records]
            wanted = [read for read in reads if _within(read, since, until)]
            if wanted:
                with connection.transaction():
                    ranges = _ranges(starts, ends)
                    done.append(
                        loads.store(connection, reader.cluster_id, started_at, wanted, ranges)
                    )
            starts = ends
    return total(done, time.monotonic() - started)


def _within(read: Read, since: datetime | None, until: datetime | None) -> bool:
    if not isinstance(read.result, Event):
        return False
    at = read.result.occurred_at
    return (since is None or at >= since) and (until is None or at < until)


def _ranges(starts: dict[Partition, int], ends: dict[Partition, int]) -> list[Range]:
    return [
        Range(*partition, start, ends[partition])
        for partition, start in starts.items()
        if ends[partition] > start
    ]
