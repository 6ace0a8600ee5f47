"""Look after the records that were set aside: list them, and load them after a fix."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import groupby

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.events.decode import decode
from footfall.events.event import Event, Reject
from footfall.events.product import Product, decode_product
from footfall.ingest.micro_batch import Ingested, total
from footfall.settings import settings
from footfall.warehouse import loads, rejects
from footfall.warehouse.events import EventBatch
from footfall.warehouse.loads import Load, Origin, Range
from footfall.warehouse.products import ProductBatch
from footfall.warehouse.rejects import Position, Rejected, RejectGroup

RECORDS_AT_ONCE = 5_000

Decoded = Event | Sequence[Event] | Product


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
        after: Position | None = None
        while True:
            claimed, loaded = loads.in_transaction(
                connection, partial(_replay, connection, after, started_at)
            )
            done += loaded
            looked_at += len(claimed)
            if len(claimed) < RECORDS_AT_ONCE:
                break
            after = claimed[-1].position
    loaded_in_all = total(done, time.monotonic() - started)
    still = looked_at - loaded_in_all.stored - loaded_in_all.duplicates
    return replace(loaded_in_all, records_read=looked_at, rejected=still)


def _replay(
    connection: Connection[TupleRow], after: Position | None, started_at: datetime
) -> tuple[list[Rejected], list[Load]]:
    """Decode the next rejected records again, in the connection's open transaction."""
    claimed = rejects.claim(connection, after=after, most=RECORDS_AT_ONCE)
    read = [(record, _decoded(record)) for record in claimed]
    rejects.mark_still_rejected(
        connection,
        [(record.position, result) for record, result in read if isinstance(result, Reject)],
    )
    return claimed, list(_load_valid(connection, read, started_at))


def _load_valid(
    connection: Connection[TupleRow],
    read: Sequence[tuple[Rejected, Decoded | Reject]],
    started_at: datetime,
) -> Iterator[Load]:
    """Load what is valid now, the records of each cluster and topic as a load of their own."""
    for (cluster_id, topic, topic_id), group in groupby(
        read, lambda pair: (pair[0].cluster_id, pair[0].topic, pair[0].topic_id)
    ):
        valid = [(record, result) for record, result in group if not isinstance(result, Reject)]
        if not valid:
            continue
        batch = _batch(valid)
        origin = Origin(
            cluster_id,
            started_at,
            _ranges([record for record, _ in valid]),
            {topic: topic_id},
        )
        yield loads.store(connection, origin, batch)
        refused = {(reject.partition, reject.offset) for reject in batch.rejects}
        loaded = [record for record, _ in valid if record.position[-2:] not in refused]
        rejects.mark_replayed(connection, [record.position for record in loaded], started_at)


def _decoded(record: Rejected) -> Decoded | Reject:
    received_at = record.received_at
    if record.topic == settings().catalog_topic:
        return decode_product(None, record.value, received_at=received_at)
    return decode(record.value, received_at=received_at, first_day=settings().first_day)


def _batch(valid: Sequence[tuple[Rejected, Decoded]]) -> EventBatch | ProductBatch:
    """Return a batch of the records of one topic."""
    events, products = EventBatch(), ProductBatch()
    for record, result in valid:
        place = record.topic, record.partition, record.offset, record.received_at
        if isinstance(result, Product):
            products.add(*place, result, record.value)
        else:
            events.add(*place, result, record.value)
    return products if products.records_read else events


def _ranges(records: Sequence[Rejected]) -> list[Range]:
    """Return the smallest ranges that hold the records, which come ordered by position."""
    return [
        Range(*place, (at := [record.offset for record in group])[0], at[-1] + 1)
        for place, group in groupby(records, lambda record: (record.topic, record.partition))
    ]
