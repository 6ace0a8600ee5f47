"""Kafka brokers of each kind: those that can run here, and what a test asks of one."""

import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from footfall.stack.jars import NoApacheKafka, jars, java

Header = tuple[str, bytes | None]
APACHE, WHEEL = "apache", "wheel"
SECONDS = 30.0

# A broker is killed or stopped under its clients on purpose.
_silent = logging.getLogger(__name__)
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def available() -> tuple[str, ...]:
    """Return the kinds of broker to test on: Apache Kafka unless it cannot be had, and the wheel's.

    FOOTFALL_KAFKA_BROKER=apache insists on it, FOOTFALL_KAFKA_BROKER=wheel does without.
    """
    wanted = os.environ.get("FOOTFALL_KAFKA_BROKER", "auto")
    if wanted == "auto":
        try:
            java(), jars()
        except NoApacheKafka:
            wanted = WHEEL
    return (WHEEL,) if wanted == WHEEL else (APACHE, WHEEL)


@dataclass(frozen=True)
class Sent:
    """One record to send."""

    value: bytes | None
    partition: int = 0
    key: bytes | None = b"k"
    headers: list[Header] = field(default_factory=list)


@dataclass(frozen=True)
class Cluster:
    """A running broker."""

    kind: str
    address: str

    @cached_property
    def admin(self) -> AdminClient:
        """A client to administer it."""
        return AdminClient({"bootstrap.servers": self.address}, logger=_silent)

    def create(self, topic: str, partitions: int = 4, **configs: str) -> str:
        """Make a topic, also one whose deletion is still under way, and give its id."""
        settings = {name.replace("_", "."): value for name, value in configs.items()}
        new = NewTopic(topic, num_partitions=partitions, config={"retention.ms": "-1"} | settings)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.admin.create_topics([new], operation_timeout=SECONDS)[topic].result()
                break
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
        return self.await_partitions(topic, partitions)

    def await_partitions(self, topic: str, partitions: int) -> str:
        """Return the topic's id once each of so many partitions answers for itself."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                found = self.admin.describe_topics(TopicCollection([topic]))[topic].result()
                if len(found.partitions) == partitions:
                    self._ask(topic, partitions)
                    return str(found.topic_id)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, f"{topic} has no {partitions} partitions"

    def _ask(self, topic: str, partitions: int) -> None:
        """Ask each partition for its offsets: right after its creation its leader may not know."""
        client = Consumer({"bootstrap.servers": self.address, "group.id": "test"}, logger=_silent)
        try:
            for number in range(partitions):
                client.get_watermark_offsets(TopicPartition(topic, number), timeout=SECONDS)
        finally:
            client.close()

    def grow(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions."""
        self.admin.create_partitions([NewPartitions(topic, partitions)])[topic].result()
        self.await_partitions(topic, partitions)

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        self.admin.delete_topics([topic], operation_timeout=SECONDS)[topic].result()

    def producer(self, **settings: Any) -> Producer:
        """Return a producer."""
        words = {name.replace("_", "."): value for name, value in settings.items()}
        own = {"bootstrap.servers": self.address, "acks": "all", "linger.ms": 20}
        return Producer(own | {"queue.buffering.max.messages": 1_000_000} | words, logger=_silent)

    def send(self, topic: str, records: Iterable[Sent], **settings: Any) -> None:
        """Send records and wait until they are taken."""
        client = self.producer(**settings)
        put(client, topic, records)
        assert client.flush(4 * SECONDS) == 0


def put(client: Producer, topic: str, records: Iterable[Sent]) -> None:
    """Hand records to a producer; a refusal fails the test at once."""
    for record in records:
        client.produce(
            topic,
            record.value,
            record.key,
            record.partition,
            headers=record.headers or None,
            on_delivery=_taken,
        )
        client.poll(0)


def _taken(error: Any, _: Any) -> None:
    assert error is None, error
