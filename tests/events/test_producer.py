"""What a replay reports as sent is in Kafka, in order, keyed by customer."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from footfall.errors import BadArgument, ServerUnavailable
from footfall.events.event import Message
from footfall.events.producer import replay, send
from footfall.events.sources import open_source
from footfall.settings import settings
from tests.conftest import set_environment
from tests.events.envelopes import NOON, encode, envelope, order


def records(topic: str, count: int) -> Iterator[Any]:
    """Yield so many records of a topic, those of a partition in order."""
    with KafkaConsumer(bootstrap_servers=settings().kafka, enable_auto_commit=False) as client:
        numbers = sorted(client.partitions_for_topic(topic))
        assigned = [TopicPartition(topic, number) for number in numbers]
        client.assign(assigned)
        for partition in assigned:
            client.seek(partition, 0)
        while count:
            for batch in client.poll(timeout_ms=1000).values():
                count -= len(batch)
                yield from batch


def test_a_replay_is_whole_and_keeps_each_customers_order(topic: str) -> None:
    until = datetime(2017, 1, 2, tzinfo=UTC)
    seen: list[int] = []
    before = time.time()
    sent = replay("complete-journey", until=until, on_progress=seen.append)
    messages = list(open_source("complete-journey", until=until))
    assert (sent.records, sent.topic, seen[-1]) == (len(messages), topic, len(messages))

    found = list(records(topic, len(messages)))
    for key in {message.key for message in messages}:
        assert [r.value for r in found if r.key == key] == [
            m.value for m in messages if m.key == key
        ]
    assert all(before - 1 < record.timestamp / 1000 < time.time() + 1 for record in found)


def test_a_file_is_sent_byte_for_byte_to_a_topic_that_is_made_for_it(
    topic: str, tmp_path: Path
) -> None:
    lines = [encode(order()), b" garbage ", encode(envelope(userId=None, anonymousId=5))]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    sent = replay(str(file), topic=f"{topic}.made", limit=3)
    assert (sent.records, sent.topic) == (3, f"{topic}.made")
    found = {record.value: record.key for record in records(f"{topic}.made", 3)}
    assert found == dict(zip(lines, [b"ann", None, b"5"], strict=True))


def test_a_rate_holds_records_back(topic: str) -> None:
    assert replay("complete-journey", limit=10, rate=50).seconds >= 9 / 50


def test_product_facts_go_to_the_compacted_topic_of_the_catalog(
    topic: str, kafka_admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = f"{topic}.catalog"
    set_environment(monkeypatch, catalog_topic=catalog)
    fact = Message(b"p1", b'{"product_id":"p1"}', NOON, catalog=True)
    event = Message(b"ann", encode(order()), NOON)
    sent = send([fact, event, fact._replace(value=None)])
    assert (sent.records, sent.topic) == (1, topic)
    assert (sent.catalog_records, sent.catalog_topic) == (2, catalog)
    assert [record.value for record in records(catalog, 2)] == [fact.value, None]
    assert [record.value for record in records(topic, 1)] == [event.value]
    described = kafka_admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, catalog)])
    told = described["topic"][catalog]
    assert not told or told["cleanup.policy"]["value"] == "compact"  # the wheel's tells nothing


def test_a_record_that_kafka_refuses_is_counted_and_the_others_are_sent(topic: str) -> None:
    large, event = Message(b"ann", b"x" * 2_000_000, None), Message(b"ann", b"{}", None)
    with pytest.raises(ServerUnavailable, match=r"\(1 of 3 records .* max\.message\.bytes"):
        send([event, event, large, event])
    assert len(list(records(topic, 2))) == 2


def test_nothing_to_send_is_not_an_error(topic: str) -> None:
    assert replay("complete-journey", limit=0).records == 0


@pytest.mark.parametrize("rate", [0, -1.0, float("nan")])
def test_a_rate_has_to_be_positive(topic: str, rate: float) -> None:
    with pytest.raises(BadArgument, match=r"rate is .*above 0"):
        replay("complete-journey", rate=rate)
