"""Keep the records that were set aside: insert them, read them again, mark what could be loaded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from footfall.events.event import Reason, Reject

Position = tuple[str, str, str, int, int]  # cluster id, topic, topic id, partition, offset


@dataclass(frozen=True, slots=True)
class RejectRow:
    """One record to set aside."""

    ERASED_DETAIL: ClassVar[str] = "the customer was erased"

    topic: str
    partition: int
    offset: int
    received_at: datetime | None
    reason: str
    detail: str
    event_name: str | None = None
    raw: bytes | None = None
    customer_ref: str | None = None

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset."""
        return self.topic, self.partition, self.offset

    @classmethod
    def of(
        cls,
        topic: str,
        partition: int,
        offset: int,
        received_at: datetime | None,
        reject: Reject,
        value: bytes | None,
    ) -> "RejectRow":
        """Return the row of a record that was read from Kafka and refused."""
        return cls(
            topic,
            partition,
            offset,
            received_at,
            reject.reason.value,
            _storable(reject.detail) or "",
            _storable(reject.event_name),
            value,
            reject.customer_ref,
        )

    @classmethod
    def of_erased(cls, topic: str, partition: int, offset: int) -> "RejectRow":
        """Return the row of an event whose customer was erased: its place alone."""
        return cls(topic, partition, offset, None, Reason.ERASED.value, cls.ERASED_DETAIL)

    def without_person(self) -> "RejectRow":
        """Return the row as it is kept of an erased customer: its place alone."""
        return self.of_erased(self.topic, self.partition, self.offset)


@dataclass(frozen=True)
class RejectGroup:
    """The records set aside for one reason, and one of them."""

    reason: str
    event_name: str | None
    count: int
    detail: str
    example: str


@dataclass(frozen=True)
class Rejected:
    """One record that was set aside and whose bytes were kept."""

    cluster_id: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    received_at: datetime
    value: bytes

    @property
    def position(self) -> Position:
        """Where the record came from; no two records share it."""
        return self.cluster_id, self.topic, self.topic_id, self.partition, self.offset


def insert(
    connection: Connection[TupleRow],
    cluster_id: str,
    topic_ids: Mapping[str, str],
    rows: Sequence[RejectRow],
    load_id: int,
) -> int:
    """Set records aside; return how many rows are of records that were not set aside before.

    A body of several events has a row for each, and is set aside once; erased, if one of them is.
    """
    if not rows:
        return 0
    counts = Counter(row.place for row in rows)
    erased_last = sorted(rows, key=lambda row: (row.place, row.reason == Reason.ERASED))
    rows = list({row.place: row for row in erased_last}.values())
    columns = {
        "topics": [row.topic for row in rows],
        "topic_ids": [topic_ids.get(row.topic, "") for row in rows],
        "partitions": [row.partition for row in rows],
        "offsets": [row.offset for row in rows],
        "received": [row.received_at for row in rows],
        "reasons": [row.reason for row in rows],
        "details": [row.detail for row in rows],
        "event_names": [row.event_name for row in rows],
        "raws": [row.raw for row in rows],
    }
    new = connection.execute(_INSERT, columns | {"cluster_id": cluster_id, "load_id": load_id})
    return sum(counts[topic, partition, offset] for topic, partition, offset in new)


def groups(connection: Connection[TupleRow]) -> list[RejectGroup]:
    """Return what is set aside now, by reason and event name, the largest group first."""
    with connection.cursor(row_factory=class_row(RejectGroup)) as cursor:
        return cursor.execute(_GROUPS).fetchall()


def claim(connection: Connection[TupleRow], *, after: Position | None, most: int) -> list[Rejected]:
    """Return the next records that can be decoded again, locked until the transaction ends.

    Of a record only the value is kept: one whose key was at fault has to be sent again.
    Erasures wait meanwhile: the lock on their table is taken first, as they do.
    """
    connection.execute("lock table privacy.erasures in share mode")
    with connection.cursor(row_factory=class_row(Rejected)) as cursor:
        return cursor.execute(_CLAIM, [*(after or ("", "", "", -1, -1)), most]).fetchall()


def mark_replayed(
    connection: Connection[TupleRow], positions: Sequence[Position], at: datetime
) -> None:
    """Note that these records were loaded; those of erased customers stay set aside."""
    with connection.cursor() as cursor:
        cursor.executemany(_MARK, [(at, *position) for position in positions])


def mark_still_rejected(
    connection: Connection[TupleRow], verdicts: Sequence[tuple[Position, Reject]]
) -> None:
    """Note why these records are still refused, where that is another reason than before."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _STILL,
            [
                (
                    reject.reason.value,
                    _storable(reject.detail),
                    _storable(reject.event_name),
                    *position,
                    reject.reason.value,
                    _storable(reject.detail),
                )
                for position, reject in verdicts
            ],
        )


def _storable(text: str | None) -> str | None:
    """Return a text that Postgres can hold: what it cannot is shown, not kept."""
    if text is None:
        return None
    return text.replace("\0", "\\u0000").encode(errors="backslashreplace").decode()


# A record that was set aside before is a duplicate, unless its customer has been erased since.
_INSERT = """
insert into raw.rejected_events as kept
    (cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset, received_at, reason, detail,
    event_name, raw, load_id)
select
    %(cluster_id)s, topic, topic_id, partition, "offset", coalesce(received_at, clock_timestamp()),
    reason, detail, event_name, raw, %(load_id)s
from
    unnest(
        %(topics)b::text[], %(topic_ids)b::text[], %(partitions)b::int[], %(offsets)b::bigint[],
        %(received)b::timestamptz[], %(reasons)b::text[], %(details)b::text[],
        %(event_names)b::text[], %(raws)b::bytea[]
    ) as found (
        topic, topic_id, partition, "offset", received_at, reason, detail, event_name, raw
    )
on conflict (cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset) do update
    set reason = excluded.reason, detail = excluded.detail, raw = null, event_name = null
    where excluded.reason = 'erased' and kept.reason <> 'erased'
returning kafka_topic, kafka_partition, kafka_offset
"""
_GROUPS = """
select
    reason,
    event_name,
    count(*) as count,
    (array_agg(detail order by received_at, kafka_topic, kafka_partition, kafka_offset))[1]
        as detail,
    (array_agg(
        kafka_topic || '[' || kafka_partition || ']@' || kafka_offset
        order by received_at, kafka_topic, kafka_partition, kafka_offset
    ))[1] as example
from raw.rejected_events
where replayed_at is null
group by reason, event_name
order by count desc, reason, event_name
"""
_CLAIM = """
select
    cluster_id,
    kafka_topic as topic,
    topic_id,
    kafka_partition as partition,
    kafka_offset as offset,
    received_at,
    raw as value
from raw.rejected_events
where
    replayed_at is null
    and raw is not null
    and reason <> 'bad_key'
    and (cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset) > (%s, %s, %s, %s, %s)
order by cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset
limit %s
for update
"""
_AT = """
    cluster_id = %s and kafka_topic = %s and topic_id = %s and kafka_partition = %s
    and kafka_offset = %s and raw is not null
"""
_MARK = f"update raw.rejected_events set replayed_at = %s where {_AT}"
_STILL = f"""
update raw.rejected_events set reason = %s, detail = %s, event_name = %s
where {_AT} and (reason, detail) is distinct from (%s, %s)
"""
