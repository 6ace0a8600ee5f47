"""Look after the records that were set aside: list them, and load them after a fix."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.events.decode import decode
from footfall.events.event import Event, Reject
from footfall.events.product import Product, decode_product
from footfall.ingest.micro_batch import Ingested, add_up
from footfall.settings import settings
from footfall.warehouse import loads, rejects
from footfall.warehouse.events import EventBatch
from footfall.warehouse.loads import Load, Origin, Range
from footfall.warehouse.products import ProductBatch
from footfall.warehouse.rejects import Position, Rejected, RejectGroup

RECORDS_AT_ONCE = 5_000

Decoded = Event | Sequence[Event] | Product


@dataclass(frozen=True)
class _Replayed:
    """What became of some records, and where the next ones come after; None: there are none."""

    loads: list[Load]
    refused: int
    last: Position | None


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
        counts those that are set aside still. A body of several events counts as one while it is
        refused, and as so many once it is read.

    Raises:
        ServerUnavailable: Postgres does not answer.
    """
    started = time.monotonic()
    refused = 0
    done: list[Load] = []
    with loads.session() as connection:
        started_at = loads.clock(connection)
        after: Position | None = None
        while True:
            replayed = loads.in_transaction(
                connection, partial(_replay, connection, after, started_at)
            )
            done += replayed.loads
            refused += replayed.refused
            after = replayed.last
            if after is None:
                break
    loaded = add_up(done, time.monotonic() - started)
    return replace(
        loaded, records_read=loaded.records_read + refused, rejected=loaded.rejected + refused
    )


def _replay(
    connection: Connection[TupleRow], after: Position | None, started_at: datetime
) -> _Replayed:
    """Decode the next rejected records again, in the connection's open transaction."""
    claimed = rejects.claim(connection, after=after, most=RECORDS_AT_ONCE)
    read = [(record, _decoded(record)) for record in claimed]
    valid, refused = [], []
    for (record, result), storable in zip(read, _storable(connection, read), strict=True):
        if isinstance(result, Reject):
            refused.append((record.position, result))
        elif not storable:
            refused.append((record.position, loads.NOT_STORABLE))
        else:
            valid.append((record, result))
    rejects.mark_still_rejected(connection, refused)
    return _Replayed(
        loads=list(_load(connection, valid, started_at)),
        refused=len(refused),
        last=claimed[-1].position if len(claimed) == RECORDS_AT_ONCE else None,
    )


def _load(
    connection: Connection[TupleRow],
    valid: Sequence[tuple[Rejected, Decoded]],
    started_at: datetime,
) -> Iterator[Load]:
    """Load what is valid now, the records of each cluster and topic as a load of their own."""
    for (cluster_id, topic, topic_id), group in groupby(
        valid, lambda pair: (pair[0].cluster_id, pair[0].topic, pair[0].topic_id)
    ):
        pairs = list(group)
        records = [record for record, _ in pairs]
        batch = _batch(pairs)
        origin = Origin(cluster_id, started_at, _ranges(records), {topic: topic_id})
        yield loads.store(connection, origin, batch)
        erased = {(reject.partition, reject.offset) for reject in batch.rejects}
        loaded = [record for record in records if record.position[-2:] not in erased]
        rejects.mark_replayed(connection, [record.position for record in loaded], started_at)


def _storable(
    connection: Connection[TupleRow], read: Sequence[tuple[Rejected, Decoded | Reject]]
) -> list[bool]:
    """Say of each record whether Postgres takes its JSON."""
    payloads = {number: _payload(result) for number, (_, result) in enumerate(read)}
    asked = {number: payload for number, payload in payloads.items() if payload is not None}
    numbers = list(asked)
    refused = {numbers[at] for at in loads.unstorable(connection, list(asked.values()))}
    return [number not in refused for number in payloads]


def _payload(result: Decoded | Reject) -> bytes | None:
    """Return the JSON to store; the events of one body share it."""
    if isinstance(result, Reject):
        return None
    return result.payload if isinstance(result, Event | Product) else result[0].payload


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
