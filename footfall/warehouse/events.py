"""Copy decoded events into ``raw.events``: no temporary table, and each message id once.

``raw.message_keys`` holds a digest of every message id, its only random index; the events go into
partitions by month, in the order of time. What is stored already is asked for first, unless the run
has met no duplicate lately; the rest is copied, the keys before the events. A loader that stores
the same id in between makes the copy of the keys fail; the transaction is then repeated
(``loads.in_transaction``).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import LiteralString

import msgspec
from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow

from footfall.events.event import Event, Reject
from footfall.warehouse.loads import NOT_STORABLE, Written, unstorable
from footfall.warehouse.rejects import RejectRow

ROWS_AT_ONCE = 2_000
CLEAN_BATCHES = 3
# Postgres' binary COPY: each field is its length and its bytes, a null the length -1.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
JSONB_VERSION = b"\x01"  # binary jsonb is this byte and the JSON text
COLUMNS = (
    "message_id, customer_ref, anonymous_id, user_id, occurred_at, event_name, dialect,"
    " mapping_version, received_at, allows_profiling, payload, mapped, kafka_topic,"
    " kafka_partition, kafka_offset, load_id"
)
START = struct.pack("!h", COLUMNS.count(",") + 1)
KEY_BYTES = 16
KEY = struct.pack("!hi", 1, KEY_BYTES)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000  # microseconds
ALLOWS = {None: NULL, True: b"\0\0\0\1\1", False: b"\0\0\0\1\0"}

_LENGTH = struct.Struct("!i")
_length = _LENGTH.pack
_long = struct.Struct("!iq").pack
_END = struct.Struct("!iiq")  # partition, the offset's length, offset


# The topic, the customer's ref, the microseconds since Postgres' epoch, all columns but load_id.
Row = tuple[str, str, int, bytes]


class Duplicates:
    """Whether a run's next batch may hold what is stored already.

    Asking costs a fifth of storing. After some batches without a duplicate a batch is copied
    unasked; the keys refuse it if that was wrong, and it is asked after all.
    """

    def __init__(self) -> None:
        self._clean = 0

    @property
    def are_likely(self) -> bool:
        """Whether to ask before the next batch is copied."""
        return self._clean < CLEAN_BATCHES

    def note(self, *, found: bool) -> None:
        """Note of one more batch whether it held a duplicate."""
        self._clean = 0 if found else self._clean + 1


class EventBatch:
    """The events and rejects of one micro-batch, in as few bytes as they can be stored from.

    ``duplicates`` is what the run has seen before; None: always ask.
    """

    kind = "events"

    def __init__(self, duplicates: Duplicates | None = None) -> None:
        self._duplicates = duplicates or Duplicates()
        self.records_read = 0
        self.rejects: list[RejectRow] = []
        self._rows: dict[str, Row] = {}

    def add(
        self,
        topic: str,
        partition: int,
        offset: int,
        received_at: datetime,
        result: Event | Reject | Sequence[Event],
        value: bytes | None,
    ) -> None:
        """Take in one record; a body of several events counts as so many.

        Of equal ids in one batch the first is kept, by partition and offset.
        """
        if isinstance(result, Event):
            self.records_read += 1
            self._add_event(topic, partition, offset, result)
        elif isinstance(result, Reject):
            self.records_read += 1
            self.rejects.append(RejectRow.of(topic, partition, offset, received_at, result, value))
        else:
            self.records_read += len(result)
            for event in result:
                self._add_event(topic, partition, offset, event)

    def _add_event(self, topic: str, partition: int, offset: int, event: Event) -> None:
        rows, message_id = self._rows, event.message_id
        if message_id in rows and _place_of(rows[message_id]) <= (partition, offset):
            return
        micros = _micros(event.occurred_at)
        fields = _fields(topic, partition, offset, event, micros)
        rows[message_id] = (topic, event.customer_ref, micros, fields)

    def write(self, connection: Connection[TupleRow], load_id: int) -> Written:
        """Store what is new, in the connection's open transaction."""
        self._set_aside_erased(connection)
        _hold_partitions(connection, {micros for _, _, micros, _ in self._rows.values()})
        keys = {_key(message_id): message_id for message_id in self._rows}
        if not self._duplicates.are_likely:
            try:
                with connection.transaction():
                    written = self._copied(connection, load_id, keys)
                    self._duplicates.note(found=False)
                    return written
            except UniqueViolation:
                pass
        for stored in (found := _stored(connection, keys)):
            del keys[stored]
        self._duplicates.note(found=bool(found))
        return self._copied(connection, load_id, keys)

    def _copied(
        self, connection: Connection[TupleRow], load_id: int, keys: Mapping[bytes, str]
    ) -> Written:
        """Copy some events; with the keys first, two loaders meet there and nowhere else."""
        rows = sorted((self._rows[message_id] for message_id in keys.values()), key=_at)
        _copy(connection, "raw.message_keys (key)", [KEY + key for key in sorted(keys)])
        fields = [fields for *_, fields in rows]
        _copy(connection, f"raw.events ({COLUMNS})", fields, _long(8, load_id))
        return Written(
            stored=len(rows),
            oldest=_instant(_at(rows[0])) if rows else None,
            newest=_instant(_at(rows[-1])) if rows else None,
        )

    def set_aside_unstorable(self, connection: Connection[TupleRow]) -> None:
        """Make rejects of the events whose JSON Postgres refuses, though the decoder took it."""
        payloads = {message_id: _json_of(row) for message_id, row in self._rows.items()}
        message_ids = list(payloads)
        for number in unstorable(connection, list(payloads.values())):
            row, payload = self._rows.pop(message_ids[number]), payloads[message_ids[number]]
            topic, ref, *_ = row
            refused = msgspec.structs.replace(NOT_STORABLE, customer_ref=ref)
            self.rejects.append(RejectRow.of(topic, *_place_of(row), None, refused, payload))

    def _set_aside_erased(self, connection: Connection[TupleRow]) -> None:
        """Turn events of erased customers into rejects, and drop the bytes of their rejects."""
        refs = {ref for _, ref, _, _ in self._rows.values()}
        refs |= {reject.customer_ref for reject in self.rejects if reject.customer_ref is not None}
        erased = _erased(connection, refs)
        if not erased:
            return
        self.rejects = [
            reject.without_person() if reject.customer_ref in erased else reject
            for reject in self.rejects
        ]
        for message_id, row in list(self._rows.items()):
            topic, ref, _, _ = row
            if ref in erased:
                del self._rows[message_id]
                self.rejects.append(RejectRow.of_erased(topic, *_place_of(row)))


def _key(message_id: str) -> bytes:
    """Return what makes a message unique; ``raw.message_key`` is the same in SQL."""
    return sha256(message_id.encode()).digest()[:KEY_BYTES]


def _at(row: Row) -> int:
    _, _, micros, _ = row
    return micros


def _hold_partitions(connection: Connection[TupleRow], instants: Iterable[int]) -> None:
    """See to it that the months of some instants have partitions until the transaction ends."""
    months = {_month(day) for day in {micros // DAY for micros in instants}}
    connection.execute("select raw.hold_partitions(%s)", (sorted(months),))


@lru_cache(maxsize=1024)
def _month(day: int) -> date:
    return (EPOCH + timedelta(days=day)).date().replace(day=1)


def _stored(connection: Connection[TupleRow], keys: Iterable[bytes]) -> set[bytes]:
    """Return those of some keys that are stored already."""
    listed = "{" + ",".join(key.hex() for key in sorted(keys)) + "}"
    return {key.bytes for (key,) in connection.execute(_STORED, (listed,))}


def _copy(
    connection: Connection[TupleRow], into: LiteralString, rows: Sequence[bytes], end: bytes = b""
) -> None:
    """Copy rows into a table; all of them end alike."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy {into} from stdin (format binary)") as copy,
    ):
        copy.write(HEADER)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            copy.write(end.join(rows[start : start + ROWS_AT_ONCE]) + end)
        copy.write(TRAILER)


def _fields(topic: str, partition: int, offset: int, event: Event, micros: int) -> bytes:
    """Encode all columns of an event but the last, its load id. The place comes at the end."""
    message_id, ref, payload = event.message_id.encode(), event.customer_ref.encode(), event.payload
    anonymous_id, user_id, mapped = event.anonymous_id, event.user_id, event.mapped
    return b"".join(
        (
            START,
            _length(len(message_id)),
            message_id,
            _length(len(ref)),
            ref,
            NULL if anonymous_id is None else _text(anonymous_id),
            NULL if user_id is None else _text(user_id),
            _long(8, micros),
            _kind(event.event_name, event.dialect, event.mapping_version),
            _received(event.received_at),
            ALLOWS[event.allows_profiling],
            _length(len(payload) + 1),
            JSONB_VERSION,
            payload,
            NULL if mapped is None else _bytes(JSONB_VERSION + mapped),
            _place(topic, partition),
            _long(8, offset),
        )
    )


def _place_of(row: Row) -> tuple[int, int]:
    """Read partition and offset back from the end of a row's fields."""
    partition, _, offset = _END.unpack(row[3][-_END.size :])
    return partition, offset


def _json_of(row: Row) -> bytes:
    """Read the payload back from a row's fields."""
    fields, at = row[3], len(START)
    for _ in range(COLUMNS.split(", ").index("payload")):
        (length,) = _LENGTH.unpack_from(fields, at)
        at += _LENGTH.size + max(length, 0)
    (length,) = _LENGTH.unpack_from(fields, at)
    at += _LENGTH.size
    return fields[at + len(JSONB_VERSION) : at + length]


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw)) + raw


@lru_cache(maxsize=4096)
def _kind(event_name: str, dialect: str, mapping_version: int) -> bytes:
    return _text(event_name) + _text(dialect) + struct.pack("!ii", 4, mapping_version)


@lru_cache(maxsize=1024)
def _place(topic: str, partition: int) -> bytes:
    return _text(topic) + struct.pack("!ii", 4, partition)


@lru_cache(maxsize=1024)
def _received(at: datetime) -> bytes:
    return _long(8, _micros(at))


def _micros(at: datetime) -> int:
    """Return the microseconds since Postgres' epoch."""
    since = at - EPOCH
    return since.days * DAY + since.seconds * 1_000_000 + since.microseconds


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _erased(connection: Connection[TupleRow], refs: set[str]) -> set[str]:
    """Return those of some refs whose customers were erased."""
    row = connection.execute("select exists (select from privacy.erasures)").fetchone()
    if row is None or not row[0]:
        return set()
    digests = {sha256(ref.encode()).hexdigest(): ref for ref in refs}
    found = connection.execute(
        "select ref_sha256 from privacy.erasures where ref_sha256 = any(%b)", (list(digests),)
    )
    return {digests[digest] for (digest,) in found}


# One probe of the index per key, whatever the planner knows of the table: never a scan of it.
_STORED = """
select asked.key
from
    unnest(%s::uuid[]) as asked (key)
    cross join lateral (
        select from raw.message_keys where message_keys.key = asked.key limit 1
    ) as stored
"""
