"""Bad days that only a broker with transactions, retention, compaction and a disk can have."""

import os
import time
from collections.abc import Iterator
from itertools import count

import pytest
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from footfall.ingest.gaps import GapFound
from footfall.ingest.micro_batch import ingest_once, ingest_until_caught_up
from footfall.stack.kafka import Kafka
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.brokers import APACHE, Cluster, Sent, put
from tests.ingest.conftest import Query
from tests.ingest.loader_process import loading
from tests.ingest.mortal import Mortal, mortals
from tests.ingest.test_contract import GAPS, IDS, OFFSETS, TOTALS, ids, orders

numbers = count(1)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """Run a broker that may be killed."""
    with mortals(tmp_path_factory.mktemp("mortal"), Kafka, kafka_broker=APACHE) as [kafka]:
        yield kafka


@pytest.fixture
def cluster(mortal: Mortal) -> Cluster:
    return Cluster(APACHE, mortal.address)


@pytest.fixture
def topic(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a fresh topic; the settings point at it."""
    name = f"apache.{os.getpid()}.{next(numbers)}"
    cluster.create(name)
    set_environment(monkeypatch, topics=name, kafka_bootstrap=cluster.address)
    return name


def test_an_aborted_transaction_is_never_loaded_and_is_no_gap(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    client = cluster.producer(transactional_id=topic)
    client.init_transactions(30)
    for name in ("kept-1", "dropped", "kept-2", "dropped"):
        client.begin_transaction()
        put(client, topic, (Sent(encode(order(f"o-{name}-{n}"))) for n in range(5)))
        client.flush(30)
        if name == "dropped":
            client.abort_transaction(30)
        else:
            client.commit_transaction(30)
    done = ingest_until_caught_up()
    assert (done.records_read, done.stored) == (10, 10)
    assert query(IDS) == ids(*(f"{name}-{n}" for name in ("kept-1", "kept-2") for n in range(5)))
    assert ingest_until_caught_up().loads == 0
    assert query(GAPS) == []


def test_an_open_transaction_is_waited_for_without_hanging(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    client = cluster.producer(transactional_id=topic)
    client.init_transactions(30)
    cluster.send(topic, [Sent(encode(order("o-before")))])
    client.begin_transaction()
    put(client, topic, [Sent(encode(order("o-inside")))])
    client.flush(30)
    cluster.send(topic, [Sent(encode(order("o-after"))), Sent(encode(order("o-elsewhere")), 1)])
    assert ingest_until_caught_up().stored == 2
    assert query(IDS) == ids("before", "elsewhere")
    assert ingest_until_caught_up().loads == 0
    client.commit_transaction(30)
    while ingest_once() is None:
        pass  # the broker writes the commit after it has answered
    ingest_until_caught_up()
    assert query(IDS) == ids("before", "elsewhere", "inside", "after")


def test_a_partition_that_is_added_is_loaded_from_its_beginning(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    cluster.send(topic, orders(*range(8)))
    ingest_until_caught_up()
    cluster.grow(topic, 6)
    cluster.send(topic, (Sent(encode(order(f"o-new-{n}")), n) for n in range(6)))
    assert ingest_until_caught_up().stored == 6
    assert query(OFFSETS, topic) == [(0, 3), (1, 3), (2, 3), (3, 3), (4, 1), (5, 1)]
    assert query(GAPS) == []


def test_records_that_were_deleted_before_they_were_loaded_are_a_gap(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    cluster.send(topic, orders(*range(8)))
    ingest_until_caught_up()
    cluster.send(topic, orders(*range(8, 28)))
    admin = cluster.admin
    deleted = [TopicPartition(topic, 1, 5), TopicPartition(topic, 2, 2)]
    for answer in admin.delete_records(deleted).values():
        answer.result()
    for _ in range(2):
        with pytest.raises(
            GapFound, match=r"^3 records of .*\[1\] \(offsets 2 to 4\) were deleted"
        ):
            ingest_until_caught_up()
    assert query(GAPS) == [(1, "retention", 2, 5, False)]
    assert query(TOTALS) == [(8, 8, 0, 0)]
    assert ingest_until_caught_up(accept_gap=True).stored == 17
    assert query(GAPS) == [(1, "retention", 2, 5, True)]
    [(expected,)] = query(
        "select r -> 'expected' from raw.loads, jsonb_array_elements(offset_ranges) as r"
        " where r ? 'expected'"
    )
    assert expected == 2
    assert query(OFFSETS, topic) == [(number, 7) for number in range(4)]


def test_a_topic_that_retention_emptied_is_at_its_end(
    environment: dict[str, str], cluster: Cluster, topic: str, query: Query
) -> None:
    cluster.send(topic, orders(*range(8)))
    ingest_until_caught_up()
    admin = cluster.admin
    everything = [TopicPartition(topic, number, OFFSET_END) for number in range(4)]
    for answer in admin.delete_records(everything).values():
        answer.result()
    assert ingest_until_caught_up().loads == 0
    cluster.send(topic, orders("late"))
    assert ingest_until_caught_up().stored == 1
    assert query(GAPS) == []


def test_what_compaction_took_is_no_gap(
    environment: dict[str, str],
    cluster: Cluster,
    topic: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compacted = f"{topic}.compacted"
    cluster.create(
        compacted,
        1,
        cleanup_policy="compact",
        min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="1",
        segment_bytes="1048576",
        delete_retention_ms="0",
    )
    set_environment(monkeypatch, topics=compacted)
    long = {"filler": "x" * 500}
    events = (encode(order(f"o-{n}", context=long)) for n in range(9_000))
    cluster.send(compacted, (Sent(event, 0, b"%d" % (n % 7)) for n, event in enumerate(events)))
    cluster.send(compacted, [Sent(encode(order("o-last")), 0, b"last")])
    await_compaction(cluster, compacted)
    done = ingest_until_caught_up()
    assert 0 < done.stored < 9_001
    assert done.stored == done.records_read
    assert query(OFFSETS, compacted) == [(0, 9_001)]
    assert query("select count(*) from raw.events where message_id = 'm-o-last'") == [(1,)]
    assert query(GAPS) == []
    assert ingest_until_caught_up().loads == 0


def await_compaction(cluster: Cluster, topic: str) -> None:
    """Read a topic of one partition again and again until it holds less than its offsets."""
    deadline = time.monotonic() + 60
    while True:
        client = Consumer(
            {
                "bootstrap.servers": cluster.address,
                "group.id": "watcher",
                "enable.partition.eof": True,
            }
        )
        client.assign([TopicPartition(topic, 0, 0)])
        held, message = 0, client.poll(10)
        while message is not None and message.error() is None:
            held, message = held + 1, client.poll(10)
        assert message is not None
        end = message.offset()
        client.close()
        if held < end:
            return
        assert time.monotonic() < deadline, "the broker compacts nothing"


def test_a_broker_that_is_killed_under_a_loader_and_comes_back_loses_and_doubles_nothing(
    environment: dict[str, str],
    mortal: Mortal,
    cluster: Cluster,
    topic: str,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, batch_records=100)
    cluster.send(topic, [*orders(*range(6_000)), *orders(*range(300))])
    with loading() as loader:
        for _ in range(3):
            loader.line()
        mortal.kill()
        mortal.revive()
        _, said = loader.end()
    cluster.send(topic, orders(*range(6_000, 6_100)))
    ingest_until_caught_up()
    assert query(TOTALS) == [(6_400, 6_100, 300, 0)], said[-1:]
    assert query("select count(*) from raw.events") == [(6_100,)]
    assert query(
        "select sum(next_offset), count(distinct cluster_id) from raw.partition_offsets"
    ) == [(6_400, 1)]
    assert query(GAPS) == []
