"""Reach the Kafka brokers: clients that give up in time and say where nobody answered."""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, TopicAlreadyExistsError

from footfall.errors import NotFound, ServerUnavailable
from footfall.events import security
from footfall.settings import settings

# On a busy machine the client complains of each task of its own that takes 0.1 s.
logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)

CONNECT_SECONDS = 10
ANSWER_SECONDS = 15  # with the time to connect, an absent server is named within 30 s
NEW_TOPIC = {
    "num_partitions": 4,
    "replication_factor": -1,  # what the cluster holds to be safe
    # Retention acts on record time stamps: a replayed old year would be deleted at once.
    "configs": {"retention.ms": "-1"},
}
# Of a product only its newest fact is needed; one partition keeps the facts in one order.
COMPACTED_TOPIC = {
    "num_partitions": 1,
    "replication_factor": -1,
    "configs": {"cleanup.policy": "compact"},
}


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn Kafka's errors into one that names the address.

    Raises:
        ServerUnavailable: the broker does not answer, or refuses.
    """
    try:
        yield
    except KafkaError as error:
        reason = str(error).split(" failed with response")[0][:200] or type(error).__name__
        raise unavailable(address, reason) from error


def unavailable(address: str, reason: str) -> ServerUnavailable:
    """Return the error for a broker that cannot be used."""
    remedy = "start it with: footfall up"
    if address == settings().kafka_bootstrap:
        protocol = settings().kafka_security_protocol
        remedy = f"look at FOOTFALL_KAFKA_BOOTSTRAP, FOOTFALL_KAFKA_SECURITY_PROTOCOL={protocol}"
    return ServerUnavailable(f"Kafka at {address} does not answer ({reason}); {remedy}")


def cluster_id(address: str) -> str:
    """Return the cluster's id: offsets mean nothing on another cluster."""
    with answering(address):
        admin = KafkaAdminClient(**_client(address))
        try:
            return str(admin.describe_cluster()["cluster_id"])
        finally:
            admin.close()


def ensure_topic(address: str, topic: str, new: Mapping[str, Any] = NEW_TOPIC) -> None:
    """Create the topic unless it is there; by default one that keeps its records for ever."""
    with answering(address):
        admin = KafkaAdminClient(**_client(address))
        try:
            if topic not in admin.list_topics():
                admin.create_topics({topic: dict(new)}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return  # another producer was first
        finally:
            admin.close()


def consumer(address: str, *, fetch_bytes: int) -> KafkaConsumer:
    """Return a consumer without group that never resets an offset by itself."""
    return KafkaConsumer(
        **_client(address),
        auto_offset_reset="none",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        # each answer tells every partition's high watermark
        enable_incremental_fetch_sessions=False,
        fetch_max_wait_ms=100,
        fetch_max_bytes=fetch_bytes,
        max_partition_fetch_bytes=fetch_bytes,
    )


def producer(address: str) -> KafkaProducer:
    """Return a producer that counts a record as sent once every replica in sync has it."""
    return KafkaProducer(
        **_client(address),
        acks="all",
        compression_type="lz4",
        batch_size=256 * 1024,
        linger_ms=50,
        delivery_timeout_ms=ANSWER_SECONDS * 1000,
        request_timeout_ms=ANSWER_SECONDS * 1000 - 1000,
        max_block_ms=ANSWER_SECONDS * 1000,
        allow_auto_create_topics=False,
    )


def partitions(client: KafkaConsumer, address: str, topic: str) -> list[int]:
    """Return the partitions of a topic.

    Raises:
        NotFound: the topic does not exist.
    """
    with answering(address):
        found = client.partitions_for_topic(topic)
    if not found:
        raise NotFound(
            f"Kafka at {address} has no topic {topic!r}; create it, or send events to it with: "
            f"footfall replay --topic {topic}"
        )
    return sorted(found)


def _check(address: str) -> None:
    """Raise at once where nobody listens, or where we are refused.

    The Kafka clients would try again until their time is up.
    """
    _check_listening(address)
    security.check(address, seconds=CONNECT_SECONDS)


def _check_listening(address: str) -> None:
    reason = "no address is given"
    for place in address.split(","):
        host, _, port = place.strip().rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
                return
        except (OSError, ValueError) as error:
            reason = str(error)
    raise unavailable(address, reason)


def bulk_client(address: str) -> dict[str, Any]:
    """Return the settings with which confluent-kafka reaches the broker: for bulk reads and writes.

    Raises:
        ServerUnavailable: nobody listens there, or refuses us.
    """
    _check(address)
    return {
        "bootstrap.servers": address,
        "client.id": "footfall",
        "allow.auto.create.topics": False,
        "enable.metrics.push": False,
        **security.for_confluent(address),
    }


def _client(address: str) -> dict[str, object]:
    _check(address)
    return {
        "bootstrap_servers": address.split(","),
        "client_id": "footfall",
        "bootstrap_timeout_ms": CONNECT_SECONDS * 1000,
        **security.for_kafka_python(address),
    }
