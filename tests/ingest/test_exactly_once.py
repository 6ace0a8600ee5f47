"""Whatever is sent, however often, each valid message id is stored once and the ledger adds up."""

import random
import time
from datetime import UTC, datetime

import pytest
from kafka import KafkaProducer

from footfall.errors import NotFound
from footfall.ingest.micro_batch import ingest_once, ingest_until_caught_up
from footfall.settings import settings
from tests.conftest import set_environment
from tests.events.envelopes import encode, envelope, order, track
from tests.ingest.conftest import Query, Send

GARBAGE = [None, b"", b"{", b"\xff", b'{"type":"page","x":"\\u0000"}', encode(track("Unheard Of"))]


def traffic(seed: int, count: int) -> tuple[list[bytes | None], set[str], int]:
    """Return values to send, the valid message ids among them, and how many are garbage."""
    chance = random.Random(seed)
    values: list[bytes | None] = []
    for number in range(count):
        chosen = chance.random()
        if chosen < 0.15:
            values.append(chance.choice(GARBAGE))
        elif chosen < 0.4 and number:
            values.append(chance.choice(values))
        else:
            values.append(encode(order(f"o-{number}")))
    garbage = sum(value in GARBAGE for value in values)
    ids = {f"m-o-{n}" for n in range(count) if encode(order(f"o-{n}")) in values}
    return values, ids, garbage


@pytest.mark.parametrize("seed", range(3))
def test_duplicates_and_garbage_over_many_batches_are_counted_and_stored_once(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    send: Send,
    query: Query,
    seed: int,
) -> None:
    set_environment(monkeypatch, batch_records=37)
    first, second = traffic(seed, 200), traffic(seed + 100, 150)
    send(first[0])
    one = ingest_until_caught_up()
    send(second[0])
    two = ingest_until_caught_up()

    assert (one.records_read, two.records_read) == (200, 150)
    assert one.loads >= 200 // 37
    for done in (one, two):
        assert done.records_read == done.stored + done.duplicates + done.rejected
    assert {row[0] for row in query("select message_id from raw.events")} == first[1] | second[1]
    assert one.stored + two.stored == len(first[1] | second[1])
    assert one.rejected + two.rejected == first[2] + second[2]
    assert ingest_until_caught_up().loads == 0


def test_the_ledger_tells_what_was_read_and_how_late_it_was(
    environment: dict[str, str], topic: str, send: Send, query: Query
) -> None:
    send(encode(order(f"o-{n}", timestamp=f"2017-01-0{n}T00:00:00Z")) for n in range(1, 9))
    load = ingest_once()
    assert load is not None
    assert (load.records_read, load.stored) == (8, 8)
    ledger = query(
        "select load_id, records_read, stored, oldest_event_at, newest_event_at, offset_ranges,"
        " started_at < committed_at from raw.loads"
    )
    ranges = [{"topic": topic, "partition": n, "from": 0, "to": 2} for n in range(4)]
    days = [datetime(2017, 1, day, tzinfo=UTC) for day in (1, 8)]
    assert ledger == [(load.load_id, 8, 8, *days, ranges, True)]
    assert query("select partition, next_offset, epoch, load_id from raw.partition_offsets") == [
        (number, 2, 1, load.load_id) for number in range(4)
    ]


def test_nothing_to_read_leaves_no_load(environment: dict[str, str], query: Query) -> None:
    assert ingest_once() is None
    assert query("select count(*) from raw.loads") == [(0,)]


def test_an_event_is_stored_as_it_was_sent(
    environment: dict[str, str], topic: str, send: Send, query: Query
) -> None:
    before = time.time()
    consent = {"consent": {"categoryPreferences": {"Analytics": True, "Personalization": True}}}
    sent = order("o-1", anonymousId="a-1", context=consent)
    send([encode(sent)])
    ingest_once()
    [(received_at, *stored)] = query(
        "select received_at, message_id, event_name, customer_ref, anonymous_id, user_id,"
        " occurred_at, dialect, mapping_version, allows_profiling, payload, kafka_topic,"
        " kafka_partition, kafka_offset from raw.events"
    )
    noon = datetime(2017, 6, 1, 12, tzinfo=UTC)
    assert stored == [
        *("m-o-1", "purchase", "u:ann", "a-1", "ann", noon),
        *("segment", 1, True, sent, topic, 0, 0),
    ]
    assert before - 1 < received_at.timestamp() < time.time() + 1


def test_rejected_records_keep_their_bytes_and_their_place(
    environment: dict[str, str], topic: str, send: Send, query: Query
) -> None:
    nul = encode(track("Unheard\0Of"))
    send([None, b"", b"{", nul, encode(track("Unheard Of", userId=7))])
    ingest_once()
    assert query(
        "select kafka_partition, kafka_offset, reason, event_name, raw from raw.rejected_events"
        " where kafka_topic = %s order by kafka_offset, kafka_partition",
        topic,
    ) == [
        (0, 0, "null_value", None, None),
        (1, 0, "empty_value", None, b""),
        (2, 0, "malformed_json", None, b"{"),
        (3, 0, "nul_character", None, nul),
        (0, 1, "unknown_event", "Unheard Of", encode(track("Unheard Of", userId=7))),
    ]


def test_batches_are_bounded_by_bytes_too(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, send: Send
) -> None:
    set_environment(monkeypatch, batch_bytes=10_000)
    send(encode(envelope(messageId=f"m-{n}", traits={"x": "x" * 5_000})) for n in range(9_000))
    done = ingest_until_caught_up()
    assert done.stored == 9_000
    assert done.loads >= 4


def test_a_topic_that_does_not_exist_is_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, topics="no.such.topic")
    with pytest.raises(NotFound, match=r"no topic 'no\.such\.topic'.*footfall replay"):
        ingest_once()


def test_a_run_that_met_no_duplicate_lately_still_stores_none_twice(
    environment: dict[str, str], topic: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, batch_records=20)
    client = KafkaProducer(bootstrap_servers=settings().kafka)
    names = [*range(200), *range(60, 90), *range(200, 220), 0, *range(220, 400)]
    for name in names:
        client.send(topic, value=encode(order(f"o-{name}")), partition=0)
    client.close()
    done = ingest_until_caught_up()
    assert (done.records_read, done.stored, done.duplicates) == (len(names), 400, 31)
    assert query("select count(*), count(distinct message_id) from raw.events") == [(400, 400)]
