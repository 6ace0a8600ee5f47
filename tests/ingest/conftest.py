"""A topic to send to, and a database to look into."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest
from kafka import KafkaProducer

from footfall.settings import Settings, settings
from footfall.stack.home import Home
from footfall.stack.kafka import Kafka
from footfall.stack.servers import Status
from tests.ingest import brokers
from tests.ingest.brokers import APACHE, Cluster

# What only Apache Kafka can do is not collected where there is none.
collect_ignore = [] if APACHE in brokers.available() else ["test_apache.py", "test_security.py"]

Send = Callable[[Iterable[bytes | None]], None]
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def send(topic: str) -> Iterator[Send]:
    """Send values to the test's topic, one after the other over its partitions, and wait."""
    client = KafkaProducer(bootstrap_servers=settings().kafka, acks="all", linger_ms=20)

    def send_all(values: Iterable[bytes | None]) -> None:
        deliveries = [
            client.send(topic, value=value, key=b"k", partition=number % 4)
            for number, value in enumerate(values)
        ]
        client.flush()
        for delivery in deliveries:
            delivery.get()

    yield send_all
    client.close()


@pytest.fixture
def query(database: str) -> Iterator[Query]:
    """Run a statement in the test's database and give its rows."""
    with psycopg.connect(database, autocommit=True) as connection:

        def run(statement: Any, *values: object) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture(scope="session", params=brokers.available())
def cluster(
    request: pytest.FixtureRequest, servers: Status, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Give a broker of each kind in turn: the session's own, or one started for this."""
    kind, own = request.param, servers.as_dict()["services"]["kafka"]
    if own["kind"] == kind:
        yield Cluster(kind, own["bootstrap"])
        return
    home = Home(tmp_path_factory.mktemp(kind))
    home.claim()
    other = Kafka(home, Settings(kafka_broker=kind))
    entry = other.up()
    yield Cluster(kind, entry["address"])
    other.down(entry)
