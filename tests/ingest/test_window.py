"""A window is loaded again from Kafka: what is missing comes back, nothing else changes."""

from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaProducer

from footfall.errors import BadArgument
from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.ingest.window import ingest_window
from footfall.settings import settings
from footfall.stack.servers import Status
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send


def day(number: int) -> datetime:
    return datetime(2017, 5, number, tzinfo=UTC)


@pytest.fixture
def loaded(environment: dict[str, str], send: Send) -> None:
    """Load an order on each of the first twenty days, two of them broken records between."""
    send(
        [
            *(encode(order(f"o-{n}", timestamp=day(n).isoformat())) for n in range(1, 21)),
            b"{",
            None,
        ]
    )
    ingest_until_caught_up()


def test_a_window_brings_back_what_is_missing_and_only_that(loaded: None, query: Query) -> None:
    offsets = query("select * from raw.partition_offsets order by partition")
    query("delete from raw.events where occurred_at >= '2017-05-03'")
    done = ingest_window(day(5), day(9))
    assert (done.records_read, done.stored, done.duplicates, done.rejected) == (4, 4, 0, 0)
    assert query("select message_id from raw.events order by occurred_at") == [
        (f"m-o-{n}",) for n in (1, 2, 5, 6, 7, 8)
    ]
    assert query("select * from raw.partition_offsets order by partition") == offsets


def test_a_window_may_be_loaded_twice(loaded: None, query: Query) -> None:
    before = query("select * from raw.events order by message_id")
    for _ in range(2):
        done = ingest_window(day(1), day(11))
        assert (done.records_read, done.stored, done.duplicates) == (10, 0, 10)
    assert query("select * from raw.events order by message_id") == before
    assert query("select count(*) from raw.rejected_events") == [(2,)]


def test_half_a_window_is_open_at_its_end(loaded: None) -> None:
    assert ingest_window(day(19), None).records_read == 2
    assert ingest_window(None, day(3)).records_read == 2
    assert ingest_window(None, None).records_read == 20


def test_a_window_without_events_leaves_no_load(loaded: None, query: Query) -> None:
    assert (
        ingest_window(datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 1, 1, tzinfo=UTC)).loads == 0
    )
    assert query("select count(*) from raw.loads") == [(1,)]


def test_what_came_long_before_a_window_is_not_read(
    environment: dict[str, str], servers: Status, topic: str, query: Query
) -> None:
    told = [(day(n), day(n)) for n in range(1, 21)]
    told += [(day(9), day(20)), (day(9) + timedelta(hours=20), day(8) + timedelta(hours=21))]
    client = KafkaProducer(bootstrap_servers=settings().kafka)
    for number, (occurred_at, received_at) in enumerate(told):
        value = encode(order(f"o-{number}", timestamp=occurred_at.isoformat()))
        millis = int(received_at.timestamp() * 1000)
        client.send(topic, value=value, partition=0, timestamp_ms=millis)
    client.close()
    assert ingest_window(day(9), day(10)).stored == 3
    kind = servers.as_dict()["services"]["kafka"]["kind"]
    first = 7 if kind == "apache" else 0  # the wheel's broker knows no offsets by time
    assert query("select offset_ranges -> 0 -> 'from' from raw.loads") == [(first,)]


def test_what_a_window_loaded_early_is_a_duplicate_for_the_loader(
    environment: dict[str, str], send: Send
) -> None:
    send(encode(order(f"o-{n}")) for n in range(6))
    assert ingest_window(None, None).stored == 6
    done = ingest_until_caught_up()
    assert (done.records_read, done.duplicates) == (6, 6)


def test_a_reversed_window_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"2017-05-02.*is not before.*2017-05-01"):
        ingest_window(day(2), day(1))
