"""Reach the Kafka brokers: clients that give up in time and say where nobody answered.

confluent-kafka reads and writes in bulk, by what is here; kafka-python looks after the topics
(``footfall.events.topics``).
"""

import logging
import socket
from typing import Any

from footfall.errors import ServerUnavailable
from footfall.events import security
from footfall.settings import settings

# On a busy machine the client complains of each task of its own that takes 0.1 s.
logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)

CONNECT_SECONDS = 10
ANSWER_SECONDS = 15  # with the time to connect, an absent server is named within 30 s


def unavailable(address: str, reason: str) -> ServerUnavailable:
    """Return the error for a broker that cannot be used."""
    remedy = "start it with: footfall up"
    if address == settings().kafka_bootstrap:
        protocol = settings().kafka_security_protocol
        remedy = f"look at FOOTFALL_KAFKA_BOOTSTRAP, FOOTFALL_KAFKA_SECURITY_PROTOCOL={protocol}"
    return ServerUnavailable(f"Kafka at {address} does not answer ({reason}); {remedy}")


def check(address: str) -> None:
    """Raise at once where nobody listens, or where we are refused.

    The Kafka clients would try again until their time is up.

    Raises:
        ServerUnavailable: names the address.
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
    check(address)
    return {
        "bootstrap.servers": address,
        "client.id": "footfall",
        "allow.auto.create.topics": False,
        "enable.metrics.push": False,
        **security.for_confluent(address),
    }
