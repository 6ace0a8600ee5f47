"""Where loading goes on in each partition, and the gaps that were found there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import Fenced


@dataclass(frozen=True)
class Offset:
    """Where the next micro-batch of a partition starts; ``next_offset`` None: none came before.

    ``topic_id`` is the topic's when the offset was stored; "": the broker told none. ``elsewhere``
    is the newest offset that was stored for this partition on another cluster.
    """

    topic: str
    partition: int
    next_offset: int | None = None
    epoch: int = 0
    topic_id: str = ""
    elsewhere: int | None = None

    @property
    def place(self) -> tuple[str, int]:
        """Topic and partition."""
        return self.topic, self.partition


class GapKind(StrEnum):
    """Why records may be missing between a stored offset and where reading can go on."""

    RETENTION = "retention"  # Kafka deleted them before they were loaded
    RECREATED = "recreated"  # the topic was deleted and made anew
    BEYOND_END = "beyond_end"  # the partition ends before the stored offset: it was cut off
    NEW_CLUSTER = "new_cluster"  # another cluster answers: its offsets are its own


@dataclass(frozen=True)
class Gap:
    """Where the ledger wanted to go on, and where reading can: ``to_offset``."""

    topic: str
    partition: int
    kind: GapKind
    from_offset: int
    to_offset: int


def offsets(
    connection: Connection[TupleRow], cluster_id: str, partitions: Iterable[tuple[str, int]]
) -> list[Offset]:
    """Return where to go on in each partition, in the order of topic and partition."""
    known: dict[tuple[str, int], Offset] = {}
    for topic, partition, stored_for, next_offset, epoch, topic_id in connection.execute(_OFFSETS):
        place = (topic, partition)
        if stored_for == cluster_id:
            known[place] = Offset(topic, partition, next_offset, epoch, topic_id)
        else:
            known.setdefault(place, Offset(topic, partition, elsewhere=next_offset))
    return [known.get(place) or Offset(*place) for place in sorted(partitions)]


def move(
    connection: Connection[TupleRow],
    cluster_id: str,
    topic_ids: Mapping[str, str],
    moves: Sequence[tuple[Offset, int]],
    load_id: int | None,
) -> None:
    """Move offsets, each only if it is still what it was when it was read.

    Raises:
        Fenced: another loader has moved one of them; the transaction must be rolled back.
    """
    for before, after in moves:
        statement = _FIRST_MOVE if before.next_offset is None else _MOVE
        values = {
            "cluster_id": cluster_id,
            "topic": before.topic,
            "topic_id": topic_ids.get(before.topic, ""),
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


def note_gaps(
    connection: Connection[TupleRow],
    cluster_id: str,
    gaps: Sequence[Gap],
    *,
    accepted: bool = False,
    load_id: int | None = None,
) -> None:
    """Note gaps in ``raw.gaps``: that they were found, or that loading went on beyond them."""
    if not gaps:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            _NOTE_GAP,
            [
                {
                    "cluster_id": cluster_id,
                    "topic": gap.topic,
                    "partition": gap.partition,
                    "kind": gap.kind.value,
                    "from_offset": gap.from_offset,
                    "to_offset": gap.to_offset,
                    "accepted": accepted,
                    "load_id": load_id,
                }
                for gap in gaps
            ],
        )


_OFFSETS = """
select topic, partition, cluster_id, next_offset, epoch, topic_id
from raw.partition_offsets
order by load_id desc nulls last
"""
_FIRST_MOVE = """
insert into raw.partition_offsets
    (cluster_id, topic, topic_id, partition, next_offset, epoch, load_id)
values
    (%(cluster_id)s, %(topic)s, %(topic_id)s, %(partition)s, %(after)s, 1, %(load_id)s)
on conflict do nothing
"""
_MOVE = """
update raw.partition_offsets
set next_offset = %(after)s, epoch = epoch + 1, load_id = %(load_id)s, topic_id = %(topic_id)s
where
    cluster_id = %(cluster_id)s and topic = %(topic)s and partition = %(partition)s
    and next_offset = %(before)s and epoch = %(epoch)s
"""
# A gap that is met again every minute stays one row; retention may go on deleting meanwhile.
_NOTE_GAP = """
insert into raw.gaps as known
    (cluster_id, topic, partition, kind, from_offset, to_offset, accepted_at, load_id)
values (
    %(cluster_id)s, %(topic)s, %(partition)s, %(kind)s, %(from_offset)s, %(to_offset)s,
    case when %(accepted)s then clock_timestamp() end, %(load_id)s
)
on conflict (cluster_id, topic, partition, kind, from_offset) do update
    set to_offset = excluded.to_offset,
        accepted_at = coalesce(known.accepted_at, excluded.accepted_at),
        load_id = coalesce(known.load_id, excluded.load_id)
"""
