"""Send a source's events to Kafka.

A record's time stamp is when it was sent (Kafka's CreateTime): that is what ``received_at`` means.
The event's own time is in its value.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import KafkaError, KafkaException, Producer

from footfall.errors import BadArgument, ServerUnavailable
from footfall.events import broker, topics
from footfall.events.event import Message
from footfall.events.sources import open_source
from footfall.settings import settings

PROGRESS_RECORDS = 5_000
FULL_QUEUE_SECONDS = 0.01
# Told to the caller by an error of ours; the client would repeat each of its attempts.
_silent = logging.getLogger("footfall.kafka.producer")
_silent.setLevel(logging.CRITICAL)
_DELIVERY = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # as Java's: a key keeps its partition, whoever sends
    "linger.ms": 20,
    "batch.size": 256 * 1024,
    "queue.buffering.max.messages": 50_000,
    "queue.buffering.max.kbytes": 64 * 1024,
    "message.timeout.ms": broker.ANSWER_SECONDS * 1000,
    "delivery.report.only.error": True,
}


@dataclass(frozen=True)
class Replay:
    """What was sent: every record counted is on every replica in sync.

    ``records`` are those of ``topic``; ``catalog_records`` the product facts of ``catalog_topic``.
    """

    records: int
    topic: str
    seconds: float
    catalog_records: int = 0
    catalog_topic: str | None = None


def replay(
    source: str,
    *,
    topic: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rate: float | None = None,
    limit: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Replay:
    """Send the events of a source to a topic, in the source's order; create the topic if need be.

    Args:
        source: as ``open_source`` takes it.
        topic: default: the first of FOOTFALL_TOPICS.
        since: send events from here, inclusive.
        until: send events up to here, exclusive.
        rate: as ``send`` takes it.
        limit: at most so many events.
        on_progress: as ``send`` takes it.

    Raises:
        BadArgument: as ``open_source`` does, or a rate that is not positive.
        ServerUnavailable: Kafka does not answer, or did not take every record.
    """
    messages = open_source(source, since=since, until=until, limit=limit)
    return send(messages, topic=topic, rate=rate, on_progress=on_progress)


def send(
    messages: Iterable[Message],
    *,
    topic: str | None = None,
    rate: float | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Replay:
    """Send messages in their order: events to a topic, product facts to the catalog's topic.

    A topic that is missing is made. At any time a bounded number of records waits to be taken.

    Args:
        messages: what to send; read no faster than Kafka takes it.
        topic: default: the first of FOOTFALL_TOPICS.
        rate: at most so many events a second; None is as fast as Kafka takes them.
        on_progress: called with the number of events handed over so far.

    Raises:
        BadArgument: a rate that is not positive.
        ServerUnavailable: Kafka does not answer, or did not take every record.
    """
    if rate is not None and not rate > 0:
        raise BadArgument(f"rate is {rate}; give events per second above 0")
    target, catalog = topic or settings().topic_list[0], settings().catalog_topic
    address = settings().kafka
    started = time.monotonic()
    topics.ensure(address, {target: topics.EVENTS})
    report = on_progress or (lambda records: None)
    outbox, events, facts = _Outbox(address), 0, 0
    try:
        for message in messages:
            if message.catalog:
                if not facts:
                    topics.ensure(address, {catalog: topics.CATALOG})
                outbox.put(catalog, message)
                facts += 1
                continue
            if rate is not None:
                outbox.wait(started + events / rate - time.monotonic())
            outbox.put(target, message)
            events += 1
            if events % PROGRESS_RECORDS == 0:
                report(events)
        outbox.finish()
    finally:
        outbox.discard()
    report(events)
    seconds = round(time.monotonic() - started, 3)
    return Replay(events, target, seconds, facts, catalog if facts else None)


class _Outbox:
    """Hands records to Kafka, and stops at the first that it does not take."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._sent = self._failed = 0
        self._first: KafkaError | None = None
        settings = broker.bulk_client(address) | _DELIVERY | {"on_delivery": self._on_failure}
        self._client = Producer(settings, logger=_silent)

    def put(self, topic: str, message: Message) -> None:
        """Queue a record; wait while the queue is full."""
        self._sent += 1
        while True:
            try:
                self._client.produce(topic, message.value, message.key)
                break
            except BufferError:
                self.wait(FULL_QUEUE_SECONDS)
            except KafkaException as error:
                self._on_failure(error.args[0], None)
                break
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Let Kafka take queued records for so long, or for a moment; raise if it refuses one."""
        ends = time.monotonic() + seconds
        while True:
            self._client.poll(max(seconds, 0))
            if self._first is not None:
                raise self._error(self._first)
            seconds = ends - time.monotonic()
            if seconds <= 0:
                return

    def finish(self) -> None:
        """Return once all is taken: each record is, or fails, within its time limit."""
        while self._client.flush(1):
            self.wait(0)
        self.wait(0)

    def discard(self) -> None:
        """Forget what is still queued; it counts as failed."""
        if len(self._client):
            self._client.purge()
            self._client.flush(1)

    def _on_failure(self, error: KafkaError, _record: object) -> None:
        self._failed += 1
        self._first = self._first or error

    def _error(self, first: KafkaError) -> ServerUnavailable:
        too_large = first.code() == KafkaError.MSG_SIZE_TOO_LARGE
        if too_large:  # Kafka is there, and takes the others
            self._client.flush(broker.ANSWER_SECONDS)
        self.discard()
        refused = f"{self._failed} of {self._sent} records were not taken: {first.str()}"
        if too_large:
            return ServerUnavailable(
                f"Kafka at {self._address} refuses a record ({refused}); leave it out, or raise "
                "max.message.bytes of the topic"
            )
        return broker.unavailable(self._address, refused)
