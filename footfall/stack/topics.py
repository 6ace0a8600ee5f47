"""Questions to a Kafka broker: does it answer, and are the topics there."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any

from footfall.errors import FootfallError
from footfall.stack.server import NotYet

CONNECT_SECONDS = 3
ANSWER_SECONDS = 10
EVENT_PARTITIONS = 4
CATALOG = "shop.catalog"
# Old shop years are replayed, and retention looks at the events' own dates.
KEEP = {"retention.ms": "-1"}
COMPACT = {"cleanup.policy": "compact"}


def wanted(events: Sequence[str]) -> dict[str, tuple[int, Mapping[str, str]]]:
    """Return name → (partitions, settings) of the topics that Footfall needs."""
    return {**{name: (EVENT_PARTITIONS, KEEP) for name in events}, CATALOG: (1, COMPACT)}


def existing(bootstrap: str) -> set[str]:
    """Return the names of the broker's topics; raise NotYet if it does not answer."""
    with _Admin(bootstrap) as admin:
        return set(admin.list_topics())


def create_missing(bootstrap: str, events: Sequence[str]) -> None:
    """Create the topics that are not there yet; raise NotYet if the broker refuses.

    Returns when each has a leader: right after its creation a topic is not yet in the metadata.
    """
    from kafka.errors import TopicAlreadyExistsError

    with _Admin(bootstrap) as admin:
        have = set(admin.list_topics())
        for name, (partitions, settings) in wanted(events).items():
            if name not in have:
                topic = {"num_partitions": partitions, "configs": dict(settings)}
                try:
                    admin.create_topics({name: topic}, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    admin.wait_for_topics([name])


class _Admin:
    """An admin client whose every failure is a NotYet."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def __enter__(self) -> Any:
        from kafka.admin import KafkaAdminClient
        from kafka.errors import KafkaError

        from footfall.events import security

        _require_listener(self.bootstrap)
        milliseconds = ANSWER_SECONDS * 1000
        try:
            security.check(self.bootstrap, seconds=ANSWER_SECONDS)
            self._client = KafkaAdminClient(
                bootstrap_servers=self.bootstrap,
                client_id="footfall",
                request_timeout_ms=milliseconds,
                bootstrap_timeout_ms=milliseconds,
                **security.for_kafka_python(self.bootstrap),
            )
        except (KafkaError, ValueError) as error:
            raise NotYet(_said(error)) from None
        except FootfallError as error:
            raise NotYet(str(error)) from None
        return self._client

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from kafka.errors import KafkaError

        self._client.close()
        if isinstance(error, KafkaError):
            raise NotYet(_said(error)) from None


def _require_listener(bootstrap: str) -> None:
    """Raise NotYet unless one of the addresses accepts connections; the client would try on."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS):
                return
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    raise NotYet(f"{address.strip()} does not answer ({reason})")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
