"""A Kafka with TLS and passwords is read and written; one that refuses us says why, in one line."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from footfall.errors import BadArgument, FootfallError
from footfall.events import broker, topics
from footfall.events.producer import replay
from footfall.ingest.micro_batch import ingest_once, ingest_until_caught_up
from footfall.settings import Settings, settings
from footfall.stack import servers as stack
from footfall.stack.home import Home
from tests.conftest import set_environment
from tests.ingest.secured_kafka import PASSWORDS, USER, SecuredKafka

Secure = Callable[..., str]
TOPIC = "secured.events"


@dataclass(frozen=True)
class Secured:
    """The secured broker: where each of its listeners is, and its folder of certificates."""

    addresses: dict[str, str]
    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.pem"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Run a secured broker that has the topics."""
    home = Home(tmp_path_factory.mktemp("secured"))
    home.claim()
    kafka = SecuredKafka(home, Settings(topics=TOPIC))
    entry = kafka.up()
    yield Secured(entry["listeners"], kafka.folder)
    kafka.down(entry)


@pytest.fixture
def secure(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> Secure:
    """Point the settings at one of the broker's listeners, with what it asks for; give its address.

    Words given replace a setting; None removes it.
    """

    def point(protocol: str, mechanism: str = "SCRAM-SHA-256", **other: object) -> str:
        address = secured.addresses[protocol]
        named: dict[str, object] = {"security_protocol": protocol, "bootstrap": address}
        if protocol.startswith("SASL"):
            login = {"username": USER, "password": PASSWORDS[mechanism], "mechanism": mechanism}
            named |= {f"sasl_{name}": value for name, value in login.items()}
        if protocol.endswith("SSL"):
            named["ssl_ca_file"] = secured.file("authority")
        if protocol == "SSL":
            named |= {"ssl_cert_file": secured.file("client")}
            named |= {"ssl_key_file": secured.file("client-key")}
        given = {name: value for name, value in (named | other).items() if value is not None}
        set_environment(monkeypatch, topics=TOPIC, **{f"kafka_{k}": v for k, v in given.items()})
        return address

    return point


def refusal(run: Callable[[], object]) -> str:
    """Return the one line that an attempt ends with, in time."""
    started = time.monotonic()
    with pytest.raises(FootfallError) as caught:
        run()
    assert time.monotonic() - started < 30
    said = str(caught.value)
    assert "\n" not in said
    assert not any(password in said for password in PASSWORDS.values())
    return said


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [
        ("SASL_SSL", "SCRAM-SHA-256"),
        ("SASL_SSL", "SCRAM-SHA-512"),
        ("SASL_SSL", "PLAIN"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ("SSL", "PLAIN"),
    ],
)
def test_events_travel_through_a_secured_broker(
    database: str, secure: Secure, protocol: str, mechanism: str
) -> None:
    address = secure(protocol, mechanism)
    ingest_until_caught_up()
    replay("complete-journey", limit=20)
    done = ingest_until_caught_up()
    assert done.records_read == 20
    assert settings().topic_list[0] in topics.existing(address)


@pytest.mark.parametrize("mechanism", PASSWORDS)
def test_a_wrong_password_is_named_by_its_setting_and_not_shown(
    database: str, secure: Secure, mechanism: str
) -> None:
    address = secure("SASL_SSL", mechanism, sasl_password="hunter2")
    for run in (ingest_once, lambda: replay("complete-journey", limit=1)):
        said = refusal(run)
        assert said.startswith(f"Kafka at {address} refuses the connection (SASL authentication")
        assert said.endswith("FOOTFALL_KAFKA_SASL_USERNAME and FOOTFALL_KAFKA_SASL_PASSWORD")
        assert "hunter2" not in said


def test_a_broker_that_no_authority_vouches_for_is_refused(
    database: str, secure: Secure, secured: Secured
) -> None:
    for authority in (secured.file("stranger"), None):
        address = secure("SASL_SSL", ssl_ca_file=authority)
        said = refusal(ingest_once)
        assert said.startswith(f"Kafka at {address} refuses the connection")
        assert "certificate" in said
        assert said.endswith("look at FOOTFALL_KAFKA_SSL_CA_FILE")


def test_a_client_without_its_certificate_is_told_so(database: str, secure: Secure) -> None:
    secure("SSL", ssl_cert_file=None, ssl_key_file=None)
    assert refusal(ingest_once).endswith("look at FOOTFALL_KAFKA_SSL_CERT_FILE")


def test_the_wrong_protocol_is_named(
    database: str, secure: Secure, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "CONNECT_SECONDS", 1)
    secure("SASL_SSL", bootstrap=secured.addresses["PLAINTEXT"])
    assert refusal(ingest_once).endswith("look at FOOTFALL_KAFKA_SECURITY_PROTOCOL")
    address = secure("SASL_SSL", security_protocol="PLAINTEXT")
    said = refusal(lambda: topics.existing(address))
    assert said.endswith("FOOTFALL_KAFKA_BOOTSTRAP, FOOTFALL_KAFKA_SECURITY_PROTOCOL=PLAINTEXT")


def test_a_setting_that_is_missing_or_useless_is_named_before_anything_is_sent(
    secure: Secure, secured: Secured, tmp_path: Path
) -> None:
    address = secure("SASL_SSL", sasl_username=None)
    with pytest.raises(BadArgument, match=r"SASL_SSL needs FOOTFALL_KAFKA_SASL_USERNAME$"):
        broker.bulk_client(address)
    secure("SASL_SSL", ssl_ca_file=secured.file("client-key"))
    with pytest.raises(BadArgument, match=r"FOOTFALL_KAFKA_SSL_CA_FILE=/.* cannot be used"):
        broker.bulk_client(address)
    secure("SASL_SSL", ssl_ca_file=tmp_path / "none.pem")
    with pytest.raises(BadArgument, match=r"FOOTFALL_KAFKA_SSL_CA_FILE=.*none\.pem"):
        settings()


def test_status_and_up_reach_a_secured_broker_and_tell_what_it_refuses(
    environment: dict[str, str], secure: Secure
) -> None:
    address = secure("SASL_SSL")
    assert stack.up().healthy
    secure("SASL_SSL", sasl_password="hunter2")
    [kafka] = [service for service in stack.status().services if service.name == "kafka"]
    assert not kafka.healthy
    assert f"Kafka at {address} refuses the connection" in str(kafka.problem)
    assert "FOOTFALL_KAFKA_SASL_PASSWORD" in refusal(stack.up)


def test_the_command_prints_one_line_and_no_password(database: str, secure: Secure) -> None:
    secure("SASL_SSL", sasl_password="hunter2")
    command = [sys.executable, "-m", "footfall.cli", "ingest", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "FOOTFALL_KAFKA_SASL_PASSWORD" in done.stderr
    assert "hunter2" not in done.stderr


def test_settings_do_not_show_the_password(secure: Secure) -> None:
    secure("SASL_SSL")
    assert PASSWORDS["SCRAM-SHA-256"] not in repr(settings())
    assert PASSWORDS["SCRAM-SHA-256"] not in json.dumps(settings().model_dump(mode="json"))


def test_a_local_broker_is_spoken_to_in_plain_text_whatever_is_set(
    environment: dict[str, str], secure: Secure, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure("SASL_SSL")
    monkeypatch.delenv("FOOTFALL_KAFKA_BOOTSTRAP")
    settings.cache_clear()
    assert isinstance(settings(), Settings)
    assert "security.protocol" not in broker.bulk_client(settings().kafka)
