"""Look after the topics: which are there, and making those that are not."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from footfall.events import broker, security

# On a busy machine the client complains of each task of its own that takes 0.1 s.
logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)

Topic = Mapping[str, Any]

EVENTS: Topic = {
    "num_partitions": 4,
    "replication_factor": -1,  # what the cluster holds to be safe
    # Retention acts on record time stamps: a replayed old year would be deleted at once.
    "configs": {"retention.ms": "-1"},
}
# Of a product only its newest fact is needed; one partition keeps the facts in one order.
CATALOG: Topic = {
    "num_partitions": 1,
    "replication_factor": -1,
    "configs": {"cleanup.policy": "compact"},
}

# Who entered and left a segment: news, kept for a week, also of those who are erased since.
SEGMENTS: Topic = {
    "num_partitions": 4,
    "replication_factor": -1,
    "configs": {"retention.ms": str(7 * 24 * 3600 * 1000)},
}


def wanted(events: Sequence[str], catalog: str, segments: str) -> dict[str, Topic]:
    """Return name → shape of the topics that Footfall needs."""
    return {**dict.fromkeys(events, EVENTS), catalog: CATALOG, segments: SEGMENTS}


def existing(address: str) -> set[str]:
    """Return the names of the broker's topics.

    Raises:
        ServerUnavailable: it does not answer, or refuses.
    """
    with _admin(address) as client:
        return set(client.list_topics())


def ensure(address: str, topics: Mapping[str, Topic]) -> None:
    """Create the topics that are not there; return when each has a leader.

    Raises:
        ServerUnavailable: the broker does not answer, or refuses.
    """
    with _admin(address) as client:
        have = set(client.list_topics())
        for name, shape in topics.items():
            if name in have:
                continue
            try:
                client.create_topics({name: dict(shape)}, wait_for_metadata=True)
            except TopicAlreadyExistsError:  # another process was first
                client.wait_for_topics([name])


@contextmanager
def _admin(address: str) -> Iterator[KafkaAdminClient]:
    broker.check(address)
    try:
        client = KafkaAdminClient(
            bootstrap_servers=address.split(","),
            client_id="footfall",
            bootstrap_timeout_ms=broker.CONNECT_SECONDS * 1000,
            request_timeout_ms=broker.ANSWER_SECONDS * 1000,
            **security.for_kafka_python(address),
        )
        try:
            yield client
        finally:
            client.close()
    except KafkaError as error:
        reason = str(error).split(" failed with response")[0][:200] or type(error).__name__
        raise broker.unavailable(address, reason) from error
