"""The events of the bench: a seeded stream of Segment track calls, and topics to hold it."""

import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.peers.columns import row
from footfall.settings import settings

PARTITIONS = 4
CUSTOMERS = 50_000
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("Product Viewed", "Product Added", "Products Searched", "Checkout Started")
CONSENT = {"consent": {"categoryPreferences": {"Analytics": True, "Personalization": True}}}
MALFORMED_EVERY = 100
SPOILS: tuple[Callable[[bytes], bytes], ...] = (
    lambda value: value[:-1],
    lambda value: value.replace(b'"messageId"', b'"message"').replace(b'"message_id":', b'"id":'),
    lambda value: value.replace(b"Trail", b"\\u0000"),
    lambda value: value.replace(b"Trail", b"\xff"),
    lambda value: b"",
)

Record = tuple[bytes, bytes]  # key and value

_encode = msgspec.json.encode


def clean(number: int) -> Iterator[Record]:
    """Yield the first `number` events; always the same ones, about 480 bytes each."""
    draw = random.Random(1)
    for at in range(number):
        user = f"user-{draw.randrange(CUSTOMERS)}"
        event = {
            "type": "track",
            "event": draw.choice(NAMES),
            "messageId": str(uuid.UUID(int=draw.getrandbits(128))),
            "anonymousId": str(uuid.UUID(int=draw.getrandbits(128))),
            "userId": user,
            "timestamp": (FIRST + timedelta(seconds=at / 4)).isoformat(),
            "context": CONSENT | {"userAgent": "Mozilla/5.0", "locale": "en-GB"},
            "properties": {
                "product_id": f"p{draw.randrange(10_000)}",
                "name": "Trail shoe é",
                "category": "Shoes",
                "brand": "Acme",
                "price": draw.randrange(10_000) / 100,
                "quantity": 1,
                "currency": "EUR",
            },
        }
        yield user.encode(), _encode(event)


def spoiled(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records with every hundredth malformed, in five ways by turns."""
    for at, (key, value) in enumerate(records):
        if at % MALFORMED_EVERY == 0:
            value = SPOILS[at // MALFORMED_EVERY % len(SPOILS)](value)
        yield key, value


def malformed_among(number: int) -> int:
    """Return how many of `number` records `spoiled` makes malformed."""
    return -(-number // MALFORMED_EVERY)


def with_schema(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the events as flat rows with their schema beside them, as JDBC sinks need them."""
    names = {
        "occurred_at": "io.debezium.time.ZonedTimestamp",
        "received_at": "io.debezium.time.ZonedTimestamp",
        "payload": "io.debezium.data.Json",
    }
    for key, value in records:
        columns = row(msgspec.json.decode(value), value.decode())
        fields = [
            {"field": name, "type": "string", "optional": False}
            | ({"name": names[name]} if name in names else {})
            for name in columns
        ]
        schema = {"type": "struct", "name": "event", "optional": False, "fields": fields}
        yield key, _encode({"schema": schema, "payload": columns})


def fill(topic: str, records: Iterable[Record]) -> None:
    """Make a topic and send it the records."""
    address: dict[str, str | int | float | bool] = {"bootstrap.servers": settings().kafka}
    new = NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1"})
    admin = AdminClient(address)
    for made in admin.create_topics([new]).values():
        made.result()
    queue = {"compression.type": "lz4", "linger.ms": 50, "queue.buffering.max.messages": 2_000_000}
    producer = Producer(address | queue)
    failures: list[Any] = []

    def note(error: Any, _: Any) -> None:
        if error is not None:
            failures.append(error)

    for at, (key, value) in enumerate(records):
        producer.produce(topic, key=key, value=value, on_delivery=note)
        if at % 1000 == 0:
            producer.poll(0)
    producer.flush()
    if failures:
        raise RuntimeError(f"topic {topic}: {len(failures)} records were not taken: {failures[0]}")
