"""Look after the records that were set aside: list them, and load them after a fix."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.events.decode import decode
from footfall.events.event import Event
from footfall.ingest.micro_batch import Ingested, total
from footfall.settings import settings
from footfall.warehouse import loads, rejects
from footfall.warehouse.loads import Load, Range, Read
from footfall.warehouse.rejects import Rejected, RejectGroup

RECORDS_AT_ONCE = 5_000


def list_rejects() -> list[RejectGroup]:
    """Return the records that are set aside, by reason and event name, the largest group first.

    Raises:
        ServerUnavailable: Postgres does not answer.
    """
    with loads.session() as connection:
        return rejects.groups(connection)


def replay_rejects() -> Ingested:
    """Decode the rejected records again and load those that are valid now, exactly once.

    Time is measured as it was: an event still may not lie more than a day after its arrival.

    Returns:
        Over all records looked at: records_read = stored + duplicates + rejected, where rejected
        counts those that are set aside still.

    Raises:
        ServerUnavailable: Postgres does not answer.
    """
    started = time.monotonic()
    looked_at = 0
    done: list[Load] = []
    with loads.session() as connection:
        started_at = loads.clock(connection)
        after = None
        while True:
            with connection.transaction():
                claimed = rejects.claim(connection, after=after, most=RECORDS_AT_ONCE)
                done += _load_valid(connection, claimed, started_at)
            looked_at += len(claimed)
            if len(claimed) < RECORDS_AT_ONCE:
                break
            after = claimed[-1].position
    loaded = total(done, time.monotonic() - started)
    still = looked_at - loaded.stored - loaded.duplicates
    return replace(loaded, records_read=looked_at, rejected=still)


def _load_valid(
    connection: Connection[TupleRow], claimed: list[Rejected], started_at: datetime
) -> Iterator[Load]:
    """Load what is valid now, each Kafka cluster's records as a load of their own."""
    for cluster_id, records in groupby(claimed, lambda record: record.cluster_id):
        decoded = [(record, _read(record)) for record in records]
        valid = [(record, read) for record, read in decoded if isinstance(read.result, Event)]
        if not valid:
            continue
        reads = [read for _, read in valid]
        yield loads.store(connection, cluster_id, started_at, reads, _ranges(reads))
        rejects.mark_replayed(connection, [record.position for record, _ in valid], started_at)


def _read(record: Rejected) -> Read:
    result = decode(record.value, received_at=record.received_at, first_day=settings().first_day)
    return Read(
        record.topic, record.partition, record.offset, record.received_at, result, record.value
    )


def _ranges(reads: list[Read]) -> list[Range]:
    """Return the smallest ranges that hold the records, which come ordered by position."""
    return [
        Range(*place, (offsets := [read.offset for read in group])[0], offsets[-1] + 1)
        for place, group in groupby(reads, lambda read: (read.topic, read.partition))
    ]
