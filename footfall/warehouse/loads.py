"""Store micro-batches of events: rows, rejects, ledger and offsets in one transaction.

Locks are taken in one order (offsets, erasures, events by id, rejects by position), so that two
loads at once wait for each other and never deadlock.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from psycopg import Connection, OperationalError
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from footfall.errors import Fenced, ServerUnavailable
from footfall.events.event import Event, Reject
from footfall.warehouse.connection import connect


@dataclass(frozen=True)
class Offset:
    """Where the next micro-batch of a partition starts; ``next_offset`` None: none came before."""

    topic: str
    partition: int
    next_offset: int | None = None
    epoch: int = 0

    @property
    def place(self) -> tuple[str, int]:
        """Topic and partition."""
        return self.topic, self.partition


class Read(NamedTuple):
    """One Kafka record, decoded."""

    topic: str
    partition: int
    offset: int
    received_at: datetime
    result: Event | Reject
    value: bytes | None


@dataclass(frozen=True)
class Range:
    """The offsets [start, end) of one partition that a load read.

    ``expected`` is where the ledger wanted to start: another offset than ``start`` is a gap that
    was accepted.
    """

    topic: str
    partition: int
    start: int
    end: int
    expected: int | None = None


@dataclass(frozen=True)
class Load:
    """One row of ``raw.loads``: records_read = stored + duplicates + rejected."""

    load_id: int
    records_read: int
    stored: int
    duplicates: int
    rejected: int


@contextmanager
def session() -> Iterator[Connection[TupleRow]]:
    """Yield a connection whose transactions are opened by hand.

    Raises:
        ServerUnavailable: Postgres does not answer, or went away meanwhile.
    """
    with connect(autocommit=True) as connection:
        try:
            yield connection
        except OperationalError as error:
            if not connection.closed:
                raise
            where = f"{connection.info.host}:{connection.info.port}"
            raise ServerUnavailable(
                f"Postgres at {where} went away ({str(error).splitlines()[0]}); "
                "what was not committed is loaded by the next run"
            ) from None


def clock(connection: Connection[TupleRow]) -> datetime:
    """Return the database server's time: the one clock that all loads share."""
    now: datetime = _one(connection, "select clock_timestamp()")[0]
    return now


def offsets(
    connection: Connection[TupleRow], cluster_id: str, partitions: Iterable[tuple[str, int]]
) -> list[Offset]:
    """Return where to go on in each partition, in the order of topic and partition."""
    rows = connection.execute(
        "select topic, partition, next_offset, epoch from raw.partition_offsets"
        " where cluster_id = %s",
        (cluster_id,),
    )
    known = {(topic, partition): (at, epoch) for topic, partition, at, epoch in rows}
    return [
        Offset(topic, partition, *known.get((topic, partition), (None, 0)))
        for topic, partition in sorted(partitions)
    ]


def store(
    connection: Connection[TupleRow],
    cluster_id: str,
    started_at: datetime,
    reads: Sequence[Read],
    ranges: Sequence[Range],
    moves: Sequence[tuple[Offset, int]] = (),
) -> Load:
    """Store one micro-batch and move the offsets, in the connection's open transaction.

    Args:
        connection: in a transaction that the caller commits.
        cluster_id: the Kafka cluster that the offsets belong to.
        started_at: when the load began, by the database's clock.
        reads: the records; each is stored, a duplicate or rejected.
        ranges: which offsets were read, for the ledger.
        moves: the offsets as they were read before, and where they shall be now.

    Raises:
        Fenced: another loader has moved one of the offsets; the transaction must be rolled back.
    """
    load_id = _open_load(connection, cluster_id, started_at, ranges)
    for before, after in moves:
        _move(connection, cluster_id, before, after, load_id)
    connection.execute("lock table privacy.erasures in share mode")
    _copy_events(connection, reads)
    _copy_rejects(connection, reads)
    _reject_erased(connection)
    stored, oldest, newest = _one(connection, _INSERT_EVENTS, {"load_id": load_id})
    rejected = connection.execute(
        _INSERT_REJECTS, {"cluster_id": cluster_id, "load_id": load_id}
    ).rowcount
    connection.execute("drop table batch_events, batch_rejects")
    load = Load(load_id, len(reads), stored, len(reads) - stored - rejected, rejected)
    connection.execute(
        "update raw.loads set records_read = %s, stored = %s, duplicates = %s, rejected = %s,"
        " oldest_event_at = %s, newest_event_at = %s, committed_at = clock_timestamp()"
        " where load_id = %s",
        (load.records_read, stored, load.duplicates, rejected, oldest, newest, load_id),
    )
    return load


def _open_load(
    connection: Connection[TupleRow],
    cluster_id: str,
    started_at: datetime,
    ranges: Sequence[Range],
) -> int:
    read = [
        {"topic": r.topic, "partition": r.partition, "from": r.start, "to": r.end}
        | ({} if r.expected in (None, r.start) else {"expected": r.expected})
        for r in ranges
    ]
    row = _one(
        connection,
        "insert into raw.loads (cluster_id, started_at, records_read, stored, duplicates, rejected,"
        " offset_ranges) values (%s, %s, 0, 0, 0, 0, %s) returning load_id",
        (cluster_id, started_at, Jsonb(read)),
    )
    return int(row[0])


def _move(
    connection: Connection[TupleRow], cluster_id: str, before: Offset, after: int, load_id: int
) -> None:
    if before.next_offset is None:
        statement = (
            "insert into raw.partition_offsets as o"
            " (cluster_id, topic, partition, next_offset, epoch, load_id)"
            " values (%(cluster_id)s, %(topic)s, %(partition)s, %(after)s, 1, %(load_id)s)"
            " on conflict do nothing"
        )
    else:
        statement = (
            "update raw.partition_offsets"
            " set next_offset = %(after)s, epoch = epoch + 1, load_id = %(load_id)s"
            " where cluster_id = %(cluster_id)s and topic = %(topic)s"
            " and partition = %(partition)s and next_offset = %(before)s and epoch = %(epoch)s"
        )
    values = {
        "cluster_id": cluster_id,
        "topic": before.topic,
        "partition": before.partition,
        "before": before.next_offset,
        "epoch": before.epoch,
        "after": after,
        "load_id": load_id,
    }
    if connection.execute(statement, values).rowcount != 1:
        raise Fenced(
            f"another loader moved {before.topic}[{before.partition}] on from offset "
            f"{before.next_offset or 0}; this one wrote nothing: run it again"
        )


JSONB_VERSION = b"\x01"  # binary jsonb is this byte and the JSON text
_EVENT_COLUMNS = {
    "message_id": "text",
    "kafka_topic": "text",
    "kafka_partition": "int4",
    "kafka_offset": "int8",
    "event_name": "text",
    "customer_ref": "text",
    "anonymous_id": "text",
    "user_id": "text",
    "occurred_at": "timestamptz",
    "received_at": "timestamptz",
    "dialect": "text",
    "mapping_version": "int4",
    "allows_profiling": "bool",
    "payload": "jsonb",
    "mapped": "jsonb",
}
_REJECT_COLUMNS = {
    "kafka_topic": "text",
    "kafka_partition": "int4",
    "kafka_offset": "int8",
    "reason": "text",
    "detail": "text",
    "event_name": "text",
    "raw": "bytea",
    "received_at": "timestamptz",
    "customer_ref": "text",
}


def _copy_events(connection: Connection[TupleRow], reads: Sequence[Read]) -> None:
    """Copy the events in the order of their ids: that is the order in which they are stored."""
    rows = [
        (
            event.message_id,
            read.topic,
            read.partition,
            read.offset,
            event.event_name,
            event.customer_ref,
            event.anonymous_id,
            event.user_id,
            event.occurred_at,
            event.received_at,
            event.dialect,
            event.mapping_version,
            event.allows_profiling,
            JSONB_VERSION + event.payload,
            None if event.mapped is None else JSONB_VERSION + event.mapped,
        )
        for read in reads
        if isinstance(event := read.result, Event)
    ]
    rows.sort(key=itemgetter(0, 1, 2, 3))
    _copy(connection, "batch_events", _EVENT_COLUMNS, rows)


def _copy_rejects(connection: Connection[TupleRow], reads: Sequence[Read]) -> None:
    rows = [
        (
            read.topic,
            read.partition,
            read.offset,
            reject.reason.value,
            _storable(reject.detail),
            _storable(reject.event_name),
            read.value,
            read.received_at,
            _storable(reject.customer_ref),
        )
        for read in reads
        if isinstance(reject := read.result, Reject)
    ]
    _copy(connection, "batch_rejects", _REJECT_COLUMNS, rows)


def _copy(
    connection: Connection[TupleRow],
    table: str,
    columns: dict[str, str],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    """Create a table for the transaction and fill it by binary COPY, the fastest way in."""
    shape = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    connection.execute(f"create temporary table {table} ({shape}) on commit drop")
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} from stdin (format binary)") as copy,
    ):
        copy.set_types(["bytea" if type_ == "jsonb" else type_ for type_ in columns.values()])
        for row in rows:
            copy.write_row(row)


def _storable(text: str | None) -> str | None:
    """Return a text that Postgres can hold: U+0000 is shown, not kept."""
    return None if text is None else text.replace("\0", "\\u0000")


def _reject_erased(connection: Connection[TupleRow]) -> None:
    """Move events of erased customers to the rejects, and drop the bytes of their rejects."""
    if not _one(connection, "select exists (select from privacy.erasures)")[0]:
        return
    connection.execute(_MOVE_ERASED)
    connection.execute(_BLANK_ERASED)


def _one(connection: Connection[TupleRow], statement: str, values: Any = None) -> TupleRow:
    row = connection.execute(statement, values).fetchone()
    assert row is not None, "the statement returns one row"
    return row


_IS_ERASED = (
    "encode(sha256(convert_to(customer_ref, 'UTF8')), 'hex')"
    " in (select ref_sha256 from privacy.erasures)"
)
_MOVE_ERASED = f"""
with erased as (
    delete from batch_events where {_IS_ERASED}
    returning kafka_topic, kafka_partition, kafka_offset, event_name, received_at
)
insert into batch_rejects
    (kafka_topic, kafka_partition, kafka_offset, event_name, received_at, reason, detail)
select erased.*, 'erased', 'the customer was erased'
from erased
"""
_BLANK_ERASED = f"""
update batch_rejects
set reason = 'erased', detail = 'the customer was erased', raw = null, event_name = null
where {_IS_ERASED}
"""
# The batch lies in the order of its ids. One that comes twice is stored at its first position.
_COLUMNS = ", ".join(_EVENT_COLUMNS)
_INSERT_EVENTS = f"""
with stored as (
    insert into raw.events ({_COLUMNS}, load_id)
    select {_COLUMNS}, %(load_id)s from batch_events
    on conflict (message_id) do nothing
    returning occurred_at
)
select count(*), min(occurred_at), max(occurred_at) from stored
"""
# A record that was set aside before is a duplicate, unless its customer has been erased since.
_INSERT_REJECTS = """
insert into raw.rejected_events as kept
    (cluster_id, kafka_topic, kafka_partition, kafka_offset, reason, detail, event_name, raw,
    received_at, load_id)
select
    %(cluster_id)s, kafka_topic, kafka_partition, kafka_offset, reason, detail, event_name, raw,
    received_at, %(load_id)s
from batch_rejects
order by kafka_topic, kafka_partition, kafka_offset
on conflict (cluster_id, kafka_topic, kafka_partition, kafka_offset) do update
    set reason = excluded.reason, detail = excluded.detail, raw = null, event_name = null
    where excluded.reason = 'erased' and kept.reason <> 'erased'
"""
