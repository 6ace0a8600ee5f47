"""Records that Kafka lost before they were loaded are never passed over in silence."""

import pytest

from footfall.errors import FootfallError
from footfall.ingest.micro_batch import ingest_once
from footfall.ingest.reader import Reader
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
