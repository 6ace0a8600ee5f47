"""Read the records that were set aside, and mark those that could be loaded after all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

Position = tuple[str, str, int, int]  # cluster id, topic, partition, offset


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
    partition: int
    offset: int
    received_at: datetime
    value: bytes

    @property
    def position(self) -> Position:
        """Where the record came from; no two records share it."""
        return self.cluster_id, self.topic, self.partition, self.offset


def groups(connection: Connection[TupleRow]) -> list[RejectGroup]:
    """Return what is set aside now, by reason and event name, the largest group first."""
    with connection.cursor(row_factory=class_row(RejectGroup)) as cursor:
        return cursor.execute(_GROUPS).fetchall()


def claim(connection: Connection[TupleRow], *, after: Position | None, most: int) -> list[Rejected]:
    """Return the next records that can be decoded again, locked until the transaction ends.

    Erasures wait meanwhile: the lock on their table is taken first, as they do.
    """
    connection.execute("lock table privacy.erasures in share mode")
    with connection.cursor(row_factory=class_row(Rejected)) as cursor:
        return cursor.execute(_CLAIM, [*(after or ("", "", -1, -1)), most]).fetchall()


def mark_replayed(
    connection: Connection[TupleRow], positions: Sequence[Position], at: datetime
) -> None:
    """Note that these records were loaded; those of erased customers stay set aside."""
    with connection.cursor() as cursor:
        cursor.executemany(_MARK, [(at, *position) for position in positions])


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
    kafka_partition as partition,
    kafka_offset as offset,
    received_at,
    raw as value
from raw.rejected_events
where
    replayed_at is null
    and raw is not null
    and (cluster_id, kafka_topic, kafka_partition, kafka_offset) > (%s, %s, %s, %s)
order by cluster_id, kafka_topic, kafka_partition, kafka_offset
limit %s
for update
"""
_MARK = """
update raw.rejected_events set replayed_at = %s
where
    cluster_id = %s and kafka_topic = %s and kafka_partition = %s and kafka_offset = %s
    and raw is not null
"""
