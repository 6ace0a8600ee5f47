"""Tell Kafka who entered and who left a segment.

At least once: a message that was sent, and whose acknowledgement was lost with this process, is
sent again with the same ``message_id``. Messages about one customer are in order.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from footfall.events import producer, topics
from footfall.events.event import Message
from footfall.settings import settings
from footfall.warehouse import segment_feed as store
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.segment_feed import Change

MESSAGES_AT_ONCE = 20_000
ID_HEX = 32


@dataclass(frozen=True)
class Fed:
    """What was told.

    Attributes:
        topic: where.
        entered: how many messages that somebody entered.
        left: how many that somebody left.
        repeated: how many of them may have been sent before.
        seconds: how long it took.
    """

    topic: str
    entered: int
    left: int
    repeated: int
    seconds: float


def feed() -> Fed:
    """Send what changed since Kafka was last told; wait while somebody else does.

    Raises:
        NotReady: nothing is built yet.
        ServerUnavailable: Kafka does not answer, or did not take every message; the next call
            sends again what is not acknowledged.
    """
    started = time.monotonic()
    chosen = settings()
    counts = {"entered": 0, "left": 0}
    with _alone():
        with transaction() as connection:
            repeated = store.pending_count(connection)
            store.plan(connection)
        topics.ensure(chosen.kafka, {chosen.segments_topic: topics.SEGMENTS})
        for changes in _batches():
            producer.send(map(message, changes), topic=chosen.segments_topic)
            with transaction() as connection:
                store.acknowledged(connection, changes)
            for change in changes:
                counts[change.type] += 1
    seconds = round(time.monotonic() - started, 3)
    return Fed(chosen.segments_topic, counts["entered"], counts["left"], repeated, seconds)


def message(change: Change) -> Message:
    """Return the record: keyed by customer, so that a customer's messages keep their order."""
    said = {
        "message_id": message_id(change),
        "type": change.type,
        "segment": change.segment,
        "kind": change.kind,
        "rule_version": change.rule_version,
        "customer_id": change.customer_id,
        "at": change.at,
        "build_id": change.build_id,
    }
    return Message(change.customer_id.encode(), msgspec.json.encode(said), change.at)


def message_id(change: Change) -> str:
    """Return the same id however often the message is sent."""
    parts = (change.number, change.type, change.kind, change.segment, change.customer_id, change.at)
    text = ":".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_HEX]


def _batches() -> Iterator[list[Change]]:
    while True:
        with transaction() as connection:
            changes = store.pending(connection, MESSAGES_AT_ONCE)
        if not changes:
            return
        yield changes


@contextmanager
def _alone() -> Iterator[None]:
    with connect(autocommit=True) as connection:
        connection.execute(f"select pg_advisory_lock({store.FEEDING})")
        yield
