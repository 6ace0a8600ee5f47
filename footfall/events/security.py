"""TLS and passwords for the Kafka that FOOTFALL_KAFKA_BOOTSTRAP names, for both clients.

The local broker listens on loopback only and is spoken to in plain text, whatever is set.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from footfall.errors import BadArgument, ServerUnavailable
from footfall.settings import Settings, settings

TRY_SECONDS = 0.2
PREFIX = "FOOTFALL_KAFKA_"

# The client repeats every failed attempt in its log; the first one is told as the error.
_silent = logging.getLogger(f"{__name__}.client")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@dataclass(frozen=True)
class Security:
    """What a secured broker asks for."""

    protocol: str
    mechanism: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def security(address: str) -> Security | None:
    """Return how the broker wants to be spoken to; None is plain text.

    Raises:
        BadArgument: a protocol is set, and a setting that it needs is not.
    """
    chosen = settings()
    if address != chosen.kafka_bootstrap or chosen.kafka_security_protocol == "PLAINTEXT":
        return None
    protocol = chosen.kafka_security_protocol
    if not protocol.startswith("SASL"):
        return _with_files(Security(protocol), chosen)
    for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
        if getattr(chosen, f"kafka_{name}") is None:
            raise BadArgument(f"{PREFIX}SECURITY_PROTOCOL={protocol} needs {PREFIX}{name.upper()}")
    found = Security(
        protocol,
        chosen.kafka_sasl_mechanism,
        chosen.kafka_sasl_username,
        chosen.kafka_sasl_password,
    )
    return _with_files(found, chosen) if protocol == "SASL_SSL" else found


def _with_files(found: Security, chosen: Settings) -> Security:
    certificate = chosen.kafka_ssl_cert_file
    key = (chosen.kafka_ssl_key_file or certificate) if certificate else None
    return replace(found, ca_file=chosen.kafka_ssl_ca_file, cert_file=certificate, key_file=key)


def for_kafka_python(address: str) -> dict[str, str]:
    """Return the settings that kafka-python's clients need for this broker."""
    found = security(address)
    if found is None:
        return {}
    return _given(
        {
            "security_protocol": found.protocol,
            "sasl_mechanism": found.mechanism,
            "sasl_plain_username": found.username,
            "sasl_plain_password": found.password,
            "ssl_cafile": found.ca_file,
            "ssl_certfile": found.cert_file,
            "ssl_keyfile": found.key_file,
        }
    )


def for_confluent(address: str) -> dict[str, str]:
    """Return the settings that confluent-kafka's clients need for this broker."""
    found = security(address)
    if found is None:
        return {}
    return _given(
        {
            "security.protocol": found.protocol,
            "sasl.mechanism": found.mechanism,
            "sasl.username": found.username,
            "sasl.password": found.password,
            "ssl.ca.location": found.ca_file,
            "ssl.certificate.location": found.cert_file,
            "ssl.key.location": found.key_file,
        }
    )


def check(address: str, *, seconds: float) -> None:
    """Log in at a secured broker once: the clients only try again until their time is up.

    Raises:
        ServerUnavailable: it refuses; names the address, its reason and the setting to look at.
        BadArgument: a file that is set cannot be used.
    """
    needed = for_confluent(address)
    if not needed:
        return
    errors: list[KafkaError] = []
    client = _client({"bootstrap.servers": address, "error_cb": errors.append, **needed})
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.list_topics(timeout=TRY_SECONDS)
            return
        except KafkaException:
            client.poll(0)
        told = [error for error in errors if error.code() != KafkaError._ALL_BROKERS_DOWN]
        final = next(filter(_is_final, told), None)
        if final is None and time.monotonic() > deadline:
            final = told[-1] if told else KafkaError(KafkaError._TRANSPORT, "no answer")
        if final is not None:
            raise ServerUnavailable(
                f"Kafka at {address} refuses the connection ({_said(final)}); "
                f"look at {_at_fault(final)}"
            )


def _client(config: dict[str, Any]) -> AdminClient:
    try:
        return AdminClient(config, logger=_silent)
    except KafkaException as error:
        said = error.args[0].str()
        names = {"ssl.ca": "SSL_CA_FILE", "ssl.cert": "SSL_CERT_FILE", "ssl.key": "SSL_KEY_FILE"}
        name = next((name for word, name in names.items() if word in said), "SECURITY_PROTOCOL")
        value = getattr(settings(), f"kafka_{name.lower()}")
        raise BadArgument(
            f"{PREFIX}{name}={value} cannot be used: {said.rpartition('failed: ')[2]}"
        ) from None


def _is_final(error: KafkaError) -> bool:
    """Say whether trying again cannot help."""
    return (
        error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)
        or "SSL routines" in error.str()
    )


def _said(error: KafkaError) -> str:
    """Return the reason alone: not the broker's address again, nor the client's state."""
    text = error.str().partition("/bootstrap: ")[2] or error.str()
    return " ".join(text.partition(" (after ")[0].split())


def _at_fault(error: KafkaError) -> str:
    text = error.str()
    if "mechanism handshake" in text:
        return f"{PREFIX}SASL_MECHANISM"
    if error.code() == KafkaError._AUTHENTICATION:
        return f"{PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
    if " alert " in text:
        return f"{PREFIX}SSL_CERT_FILE"
    if error.code() == KafkaError._SSL or "certificate" in text:
        return f"{PREFIX}SSL_CA_FILE"
    return f"{PREFIX}SECURITY_PROTOCOL"


def _given(values: Mapping[str, str | Path | SecretStr | None]) -> dict[str, str]:
    """Return what is set, in plain words: the only place where the password is one."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }
