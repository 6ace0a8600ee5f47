"""What the loader promises holds on every kind of broker."""

import os
from itertools import count
from typing import Any

import pytest

from footfall.ingest.gaps import GapFound
from footfall.ingest.micro_batch import ingest_once, ingest_until_caught_up
from footfall.ingest.window import ingest_window
from footfall.settings import Settings
from footfall.stack.home import Home
from footfall.stack.kafka import Kafka
from tests.conftest import set_environment
from tests.events.envelopes import encode, order, track
from tests.ingest.brokers import WHEEL, Cluster, Sent, put
from tests.ingest.conftest import Query
from tests.ingest.test_exactly_once import traffic

numbers = count(1)
TOTALS = "select sum(records_read), sum(stored), sum(duplicates), sum(rejected) from raw.loads"
IDS = 'select message_id from raw.events order by message_id collate "C"'
OFFSETS = "select partition, next_offset from raw.partition_offsets where topic = %s order by 1"
GAPS = "select partition, kind, from_offset, to_offset, accepted_at is not null from raw.gaps"


@pytest.fixture
def topic(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a fresh topic on the broker under test; the settings point at it."""
    name = f"contract.{os.getpid()}.{next(numbers)}"
    cluster.create(name)
    set_environment(monkeypatch, topics=name, kafka_bootstrap=cluster.address)
    return name


def orders(*names: Any) -> list[Sent]:
    """Return an order of each name, one after the other over four partitions."""
    return [Sent(encode(order(f"o-{name}")), number % 4) for number, name in enumerate(names)]


def ids(*names: Any) -> list[tuple[str]]:
    return [(message_id,) for message_id in sorted(f"m-o-{name}" for name in names)]


@pytest.mark.parametrize("seed", [7, 8])
def test_everything_is_loaded_exactly_once(
    environment: dict[str, str],
    cluster: Cluster,
    topic: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    set_environment(monkeypatch, batch_records=90)
    values, valid, garbage = traffic(seed, 600)
    cluster.send(topic, (Sent(value, number % 4) for number, value in enumerate(values)))
    ingest_until_caught_up()
    assert query(TOTALS) == [(600, len(valid), 600 - len(valid) - garbage, garbage)]
    assert query(IDS) == [(message_id,) for message_id in sorted(valid)]
    assert query(OFFSETS, topic) == [(number, 150) for number in range(4)]
    assert ingest_once() is None


def test_a_run_ends_at_the_last_record_of_every_partition(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    cluster.send(topic, (Sent(encode(order(f"o-{n}")), 0) for n in range(25)))
    cluster.send(topic, [Sent(encode(order("alone")), 2)])
    assert ingest_until_caught_up().records_read == 26
    assert query(OFFSETS, topic) == [(0, 25), (2, 1)]
    cluster.send(topic, [Sent(encode(order("later")), 0)])
    assert ingest_until_caught_up().records_read == 1
    assert ingest_until_caught_up().loads == 0


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_read(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query, codec: str
) -> None:
    cluster.send(topic, orders(*range(400)), compression_type=codec, linger_ms=200)
    assert ingest_until_caught_up().stored == 400
    assert query(IDS) == ids(*range(400))


def test_keys_and_headers_change_nothing_and_absent_values_are_set_aside(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    event = encode(order("plain"))
    cluster.send(
        topic,
        [
            Sent(event, key=None),
            Sent(None, key=b"tombstone"),
            Sent(b"", headers=[("trace", b"1"), ("trace", b"2"), ("none", None)]),
            Sent(event, key=b"\xff", headers=[("\u00e4", b"\xff" * 3_000)]),
        ],
    )
    done = ingest_until_caught_up()
    assert (done.stored, done.duplicates, done.rejected) == (1, 1, 2)
    assert query("select kafka_offset, reason, raw from raw.rejected_events order by 1") == [
        (1, "null_value", None),
        (2, "empty_value", b""),
    ]


POISON = {
    "too_large": b'{"type":"page","x":"' + b"x" * 2_000_000 + b'"}',
    "too_deep": b'{"type":"page","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "invalid_utf8": b'{"type":"page","messageId":"\xc3\x28"}',
    "number_out_of_range": b'{"type":"page","x":1e999999}',
    "nul_character": b'{"type":"page","x":"\\u0000"}',
    "malformed_json": b'{"type":"page","x":NaN}',
    "unknown_dialect": b"[[[]]]",
    "bad_field": encode(track("Order Completed", {"order_id": "o", "total": "a lot"})),
}


def test_poison_is_set_aside_and_what_lies_around_it_is_loaded(
    environment: dict[str, str],
    cluster: Cluster,
    topic: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = f"{topic}.large"
    cluster.create(large, max_message_bytes="8000000")
    set_environment(monkeypatch, topics=large)
    twice = b'{"userId":"eve",' + encode(order("twice"))[1:]
    pills = [Sent(value, number % 4) for number, value in enumerate(POISON.values())]
    between = [*orders(*range(4)), *pills, Sent(twice), *orders(*range(4, 8))]
    cluster.send(large, between, message_max_bytes=8_000_000)
    done = ingest_until_caught_up()
    assert (done.stored, done.rejected) == (9, len(POISON))
    assert dict(query("select reason, length(raw) from raw.rejected_events")) == {
        reason: len(value) for reason, value in POISON.items()
    }
    assert query("select customer_ref from raw.events where message_id = 'm-twice'") == [("u:ann",)]


def test_offsets_that_hold_no_record_are_no_gap(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    client = cluster.producer(transactional_id=topic)
    client.init_transactions(30)
    for batch in range(3):
        client.begin_transaction()
        put(client, topic, (Sent(encode(order(f"o-{batch}-{n}"))) for n in range(5)))
        client.commit_transaction(30)
        assert ingest_until_caught_up().stored == 5
    assert ingest_until_caught_up().loads == 0
    [(partition, next_offset)] = query(OFFSETS, topic)
    assert (partition, next_offset) in [(0, 17), (0, 18)]  # each commit takes an offset
    assert query(GAPS) == []


@pytest.mark.parametrize("more", [3, 40], ids=["shorter", "longer"])
def test_a_topic_made_anew_is_loaded_from_its_beginning_once_the_gap_is_accepted(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query, more: int
) -> None:
    cluster.send(topic, [Sent(encode(order(f"o-old-{n}"))) for n in range(10)] + [Sent(b"{")])
    ingest_until_caught_up()
    cluster.delete(topic)
    cluster.create(topic)
    cluster.send(topic, [Sent(encode(order(f"o-new-{n}"))) for n in range(more)] + [Sent(b"[")])
    for _ in range(2):
        with pytest.raises(GapFound, match=r"\[0\] \(offsets 11 on\).*made anew.*accept-gap"):
            ingest_until_caught_up()
    assert query(GAPS) == [(0, "recreated", 11, 0, False)]
    done = ingest_until_caught_up(accept_gap=True)
    assert (done.records_read, done.stored, done.rejected) == (more + 1, more, 1)
    assert query(GAPS) == [(0, "recreated", 11, 0, True)]
    assert query(OFFSETS, topic) == [(0, more + 1)]
    assert query("select kafka_offset, raw from raw.rejected_events order by load_id") == [
        (10, b"{"),
        (more, b"["),
    ]
    assert ingest_until_caught_up().loads == 0


def test_a_window_is_read_to_its_end_and_may_be_loaded_twice(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    cluster.send(topic, [*orders(*range(50)), Sent(b"{"), *orders(*range(20))])
    assert ingest_window(None, None).stored == 50
    again = ingest_window(None, None)
    assert (again.records_read, again.stored) == (70, 0)
    done = ingest_until_caught_up()
    assert (done.records_read, done.duplicates, done.rejected) == (71, 70, 1)


def test_an_offset_beyond_the_end_is_a_gap(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    cluster.send(topic, orders(*range(8)))
    ingest_until_caught_up()
    query("update raw.partition_offsets set next_offset = 50 where partition = 1")
    with pytest.raises(GapFound, match=r"\[1\] \(offsets 50 on\)"):
        ingest_until_caught_up()
    assert query(GAPS) == [(1, "beyond_end", 50, 0, False)]
    assert ingest_until_caught_up(accept_gap=True).duplicates == 2


def test_the_wheels_broker_is_a_new_cluster_after_each_start(
    database: str,
    redis_url: str,
    query: Query,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Home(tmp_path_factory.mktemp("forgetful"))
    home.claim()
    kafka = Kafka(home, Settings(kafka_broker="wheel", topics="forgotten"))
    stored = []
    for run in ("first", "second"):
        entry = kafka.up()
        set_environment(monkeypatch, topics="forgotten", kafka_bootstrap=entry["address"])
        cluster = Cluster(WHEEL, entry["address"])
        cluster.send("forgotten", [Sent(encode(order(f"{run}-{n}"))) for n in range(5)])
        stored.append(ingest_until_caught_up().stored)
        kafka.down(entry)
    assert stored == [5, 5]
    assert query(
        "select count(distinct cluster_id), sum(next_offset) from raw.partition_offsets"
    ) == [(2, 10)]
