"""Records that Kafka lost before they were loaded are never passed over in silence."""

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from footfall.errors import Fenced, FootfallError
from footfall.ingest.gaps import GapFound
from footfall.ingest.micro_batch import ingest_once, ingest_until_caught_up
from footfall.ingest.reader import OutOfRange, Reader, Record
from footfall.warehouse import loads, offsets
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send


def test_records_deleted_by_retention_stop_the_loader_until_the_gap_is_accepted(
    environment: dict[str, str],
    topic: str,
    send: Send,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send(encode(order(f"o-{n}")) for n in range(4))
    ingest_once()
    send(encode(order(f"late-{n}")) for n in range(8))
    oldest = {(topic, number): 2 for number in range(4)}  # retention took offset 1 of each
    monkeypatch.setattr(Reader, "first_offsets", lambda reader: oldest)

    with pytest.raises(FootfallError, match=r"1 records of .*\[0\] \(offsets 1 to 1\).*accept-gap"):
        ingest_once()
    assert query("select count(*) from raw.loads") == [(1,)]

    load = ingest_once(accept_gap=True)
    assert load is not None
    assert load.stored == 4
    [(ranges,)] = query("select offset_ranges from raw.loads where load_id = %s", load.load_id)
    assert ranges == [
        {"topic": topic, "partition": number, "from": 2, "to": 3, "expected": 1}
        for number in range(4)
    ]


def test_an_offset_beyond_the_end_stops_the_loader_until_it_is_accepted(
    environment: dict[str, str], topic: str, send: Send, query: Query
) -> None:
    send(encode(order(f"o-{n}")) for n in range(8))
    ingest_once()
    query("update raw.partition_offsets set next_offset = 50 where partition in (1, 2)")
    with pytest.raises(FootfallError, match=r"\[[12]\] \(offsets 50 on\) may be gone.*accept-gap"):
        ingest_once()
    load = ingest_once(accept_gap=True)
    assert load is not None
    assert (load.records_read, load.duplicates) == (4, 4)
    assert query("select next_offset from raw.partition_offsets") == [(2,)] * 4


def test_an_accepted_gap_is_not_met_again_where_nothing_came_since(
    environment: dict[str, str], send: Send, query: Query
) -> None:
    send(encode(order(f"o-{n}")) for n in range(8))
    ingest_once()
    query("update raw.partition_offsets set topic_id = 'another', next_offset = 5")
    query("update raw.partition_offsets set topic_id = '' where partition > 0")
    query("update raw.partition_offsets set next_offset = 2 where partition > 0")
    with pytest.raises(FootfallError, match=r"\[0\] \(offsets 5 on\) may be gone: the topic was"):
        ingest_once()
    assert query("select kind, from_offset, to_offset, accepted_at from raw.gaps") == [
        ("recreated", 5, 0, None)
    ]
    load = ingest_once(accept_gap=True)
    assert load is not None
    assert (load.records_read, load.duplicates) == (2, 2)
    assert ingest_once() is None
    assert query("select accepted_at is not null, load_id from raw.gaps") == [(True, load.load_id)]


def test_a_gap_before_an_empty_partition_is_accepted_without_a_load(
    environment: dict[str, str], topic: str, send: Send, query: Query
) -> None:
    query(
        "insert into raw.partition_offsets (cluster_id, topic, topic_id, partition, next_offset)"
        " select 'another', %s, '', number, 7 from generate_series(0, 3) as number",
        topic,
    )
    assert ingest_once() is None
    assert query("select distinct kind, from_offset, accepted_at is not null from raw.gaps") == [
        ("new_cluster", 7, True)
    ]
    assert query("select next_offset from raw.partition_offsets where load_id is null") == (
        [(7,)] * 4 + [(0,)] * 4
    )
    send(encode(order(f"o-{n}")) for n in range(4))
    done = ingest_once()
    assert done is not None
    assert done.stored == 4


@pytest.fixture
def cut_off_meanwhile(
    environment: dict[str, str], topic: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Send three orders to each partition; once the first is read Kafka deletes all others."""
    send(encode(order(f"o-{n}")) for n in range(12))
    set_environment(monkeypatch, batch_records=1)
    read, calls = Reader.chunks, count()

    def chunks(reader: Reader, **limits: int) -> Iterator[list[Record]]:
        before = next(calls)
        if before == 1:
            oldest = dict.fromkeys(reader.partitions, 3)
            monkeypatch.setattr(Reader, "first_offsets", lambda reader: oldest)
        if 1 <= before <= len(reader.partitions):
            place = reader.partitions[before - 1]
            raise OutOfRange(reader.address, place, reader.positions()[place])
        return read(reader, **limits)

    monkeypatch.setattr(Reader, "chunks", chunks)


def test_a_gap_found_while_a_batch_is_stored_is_noted_whatever_becomes_of_the_batch(
    cut_off_meanwhile: None, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted, store, note = threading.Event(), loads.store, offsets.note_gaps

    def store_and_lose(*arguments: Any) -> None:
        store(*arguments)
        assert noted.wait(30)
        raise Fenced("another loader was faster")

    def note_gaps(*arguments: Any, **options: Any) -> None:
        note(*arguments, **options)
        if not options:
            noted.set()

    monkeypatch.setattr(loads, "store", store_and_lose)
    monkeypatch.setattr(offsets, "note_gaps", note_gaps)
    with pytest.raises(GapFound, match=r"\[0\] .* were deleted from Kafka"):
        ingest_until_caught_up()
    assert query("select count(*) from raw.loads") == [(0,)]
    assert query("select kind, partition, to_offset, accepted_at from raw.gaps") == [
        ("retention", 0, 3, None)
    ]


def test_a_gap_after_a_batch_is_accepted_after_it(
    cut_off_meanwhile: None, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, movers = offsets.move, []

    def moved(*arguments: Any) -> None:
        movers.append(threading.current_thread().name)
        move(*arguments)

    monkeypatch.setattr(offsets, "move", moved)
    done = ingest_until_caught_up(accept_gap=True)
    assert (done.loads, done.stored) == (1, 1)
    assert movers == ["store_0"] * 2
    assert query("select next_offset from raw.partition_offsets") == [(3,)] * 4
    assert query("select partition, accepted_at is not null from raw.gaps order by partition") == [
        (number, True) for number in range(4)
    ]
