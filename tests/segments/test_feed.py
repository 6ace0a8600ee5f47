"""Kafka is told of everybody who enters or leaves a segment, at least once, under one id."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from footfall.errors import NotReady, ServerUnavailable
from footfall.segments.feed import feed
from footfall.settings import ROOT, settings
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from tests.conftest import numbers, set_environment
from tests.warehouse.shop import NOON, at, event, midnight, order, store

THROUGH = datetime(2024, 3, 10, tzinfo=UTC)
TABLES = """
    create table analytics.customer_segments (
        customer_id text, segment text, kind text, entered_at timestamptz, rule_version integer);
    create table intermediate.int_segment_stays (
        customer_id text, segment text, rule_version integer, entered_at timestamptz,
        left_at timestamptz)
"""


def day(number: int) -> datetime:
    return datetime(2024, 3, number, tzinfo=UTC)


def run(statement: str, *values: object) -> list[tuple[Any, ...]]:
    with transaction() as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def stay(
    customer: str, entered: datetime, left: datetime | None = None, *, version: int = 1
) -> None:
    """Have a customer be in the segment keen from one instant to another."""
    run(
        "insert into intermediate.int_segment_stays values (%s, 'keen', %s, %s, %s)",
        *(customer, version, entered, left or "infinity"),
    )
    if left is None or left >= THROUGH:
        enter(customer, entered, version=version)


def enter(
    customer: str, entered: datetime, segment: str = "keen", kind: str = "rule", version: int = 1
) -> None:
    run(
        "insert into analytics.customer_segments values (%s, %s, %s, %s, %s)",
        *(customer, segment, kind, entered, version),
    )


def nobody() -> None:
    run("delete from analytics.customer_segments")
    run("delete from intermediate.int_segment_stays")


@pytest.fixture
def segments_topic(database: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a warehouse that is not built, and a topic of segments that is not there yet."""
    name = f"test.segments.{os.getpid()}.{next(numbers)}"
    set_environment(monkeypatch, segments_topic=name)


@pytest.fixture
def warehouse(segments_topic: None) -> Iterator[None]:
    """Give a built warehouse without anybody in a segment."""
    run("insert into ops.builds (as_of, built_through, full_refresh, finished_at)"
        " values (%s, %s, true, %s)", THROUGH, THROUGH, THROUGH)  # fmt: skip
    with transaction() as connection:
        connection.execute(TABLES)
    yield
    settings.cache_clear()


def told() -> list[tuple[bytes, dict[str, Any]]]:
    """Return all that Kafka was told: keys and messages, a customer's in their order."""
    name = settings().segments_topic
    client = KafkaConsumer(
        bootstrap_servers=settings().kafka, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [TopicPartition(name, n) for n in client.partitions_for_topic(name) or ()]
        client.assign(partitions)
        ends = client.end_offsets(partitions)
        found = []
        while any(client.position(one) < ends[one] for one in partitions):
            for records in client.poll(timeout_ms=200).values():
                found += [(record.key, json.loads(record.value)) for record in records]
        return found
    finally:
        client.close()


def said() -> list[tuple[str, str, str]]:
    return sorted((m["customer_id"], m["at"][:10], m["type"]) for _, m in told())


def carted(message: str, user: str, when: datetime) -> dict[str, Any]:
    """Return what brings a customer into full_cart: for three days, or until they buy."""
    return event("Product Added", message=message, user=user, when=when, price=300, quantity=1)


def of_rules(build_id: int) -> list[tuple[Any, ...]]:
    """Return what Kafka was told of a build: who entered and left the segments of rules, when."""
    users = dict(run("select customer_id, external_id from analytics.customer_identities"))
    return sorted(
        (m["type"], users[m["customer_id"]], m["segment"], datetime.fromisoformat(m["at"]))
        for _, m in told()
        if m["build_id"] == build_id and m["kind"] == "rule"
    )


def test_who_enters_and_who_leaves_is_told_once(warehouse):
    stay("c1", day(3))
    stay("c2", day(4), day(12))
    stay("c3", day(1), day(2))
    done = feed()
    assert (done.entered, done.left, done.repeated) == (2, 0, 0)
    assert feed().entered == 0
    nobody()
    stay("c1", day(3), day(8))
    stay("c4", day(9), version=2)
    done = feed()
    assert (done.entered, done.left) == (1, 2)
    # of c2 no stay is left: whoever looks at the history will not find one, and is told so now
    assert said() == [
        ("c1", "2024-03-03", "entered"),
        ("c1", "2024-03-08", "left"),
        ("c2", "2024-03-04", "entered"),
        ("c2", "2024-03-10", "left"),
        ("c4", "2024-03-09", "entered"),
    ]
    messages = told()
    assert all(key.decode() == message["customer_id"] for key, message in messages)
    assert len({message["message_id"] for _, message in messages}) == 5
    (last,) = [message for _, message in messages if message["customer_id"] == "c4"]
    assert {name: last[name] for name in ("segment", "kind", "rule_version", "build_id")} == {
        "segment": "keen",
        "kind": "rule",
        "rule_version": 2,
        "build_id": 1,
    }


def test_who_stays_while_the_rule_gets_another_version_has_neither_entered_nor_left(warehouse):
    stay("c1", day(3))
    stay("c2", day(3))
    feed()
    run("delete from analytics.customer_segments")
    enter("c1", day(5), version=2)
    done = feed()
    assert (done.entered, done.left) == (0, 1)
    # left by the other version, whose stay goes on
    assert ("c2", "2024-03-10", "left") in said()
    assert run("select customer_id, rule_version from ops.segment_feed") == [("c1", 2)]


def test_segments_by_scores_and_clusters_are_told_too(warehouse):
    run("insert into ops.snapshots (as_of, build_id) values (%s, 1)", day(9))
    run(
        "insert into ml.cluster_sets (method, as_of, params, clusters, sha256, records, created_at)"
        " values ('kmeans', %s, '{}', '[]', '', 1, %s)",
        *(day(7), THROUGH),
    )
    enter("c1", day(2), "loyal", "rfm")
    enter("c1", day(7), "kmeans_1", "cluster")
    feed()
    assert {(m["segment"], m["at"][:10]) for _, m in told()} == {
        ("loyal", "2024-03-09"),
        ("kmeans_1", "2024-03-07"),
    }


def test_a_feed_that_is_killed_after_sending_loses_nothing_and_repeats_the_same_ids(warehouse):
    stay("c1", day(3))
    stay("c2", day(3))
    doomed = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("doomed_feed.py"))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert doomed.returncode == -signal.SIGKILL
    first = {message["message_id"] for _, message in told()}
    assert len(first) == 2
    # meanwhile one of them has left: that is told after what the dead one has told
    run("delete from analytics.customer_segments where customer_id = 'c2'")
    run(
        "update intermediate.int_segment_stays set left_at = %s where customer_id = 'c2'",
        THROUGH - timedelta(days=1),
    )
    done = feed()
    assert (done.entered, done.left, done.repeated) == (2, 1, 2)
    messages = [message for _, message in told()]
    assert len(messages) == 5
    assert len({message["message_id"] for message in messages}) == 3
    assert [m["type"] for m in messages if m["customer_id"] == "c2"] == [
        *("entered", "entered", "left"),
    ]


def test_feeds_side_by_side_tell_everything_once(warehouse):
    for number in range(50):
        stay(f"c{number}", day(3))
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: feed(), range(3)))
    assert sorted(one.entered for one in done) == [0, 0, 50]
    assert len(told()) == 50


def test_without_kafka_nothing_counts_as_told(warehouse, monkeypatch):
    stay("c1", day(3))
    address = settings().kafka
    set_environment(monkeypatch, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:1"):
        feed()
    set_environment(monkeypatch, kafka_bootstrap=address)
    assert feed().entered == 1
    assert len(told()) == 1


def test_before_a_build_there_is_nothing_to_tell(segments_topic):
    with pytest.raises(NotReady, match="footfall build"):
        feed()


def test_builds_that_bring_customers_into_a_segment_and_out_of_it_are_told(segments_topic):
    bought, added = midnight(3, 3) + timedelta(hours=10), midnight(3, 4)
    store([carted("m1", "buys", NOON), carted("m2", "waits", at(hours=6))])
    first = build(midnight(3, 3))
    assert feed().left == 0
    assert of_rules(first.build_id) == [
        ("entered", "buys", "full_cart", NOON),
        ("entered", "waits", "full_cart", at(hours=6)),
    ]

    store([order("m3", "o1", user="buys", when=bought), carted("m4", "comes", added)])
    second = build(midnight(3, 6))
    done = feed()
    assert (done.left, done.repeated) == (2, 0)
    assert of_rules(second.build_id) == [
        ("entered", "comes", "full_cart", added),
        ("left", "buys", "full_cart", bought),
        ("left", "waits", "full_cart", at(days=3, hours=6)),
    ]
    # the scores of who has ordered are told too; in all, who has listened knows who is in now
    listener = set()
    for _, message in told():
        member = (message["customer_id"], message["kind"], message["segment"])
        (listener.add if message["type"] == "entered" else listener.remove)(member)
    assert {kind for _, kind, _ in listener} == {"rule", "rfm"}
    assert listener == set(
        run("select customer_id, kind, segment from analytics.customer_segments")
    )
