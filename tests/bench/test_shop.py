"""The events that the bench sends are what it says they are."""

from datetime import UTC, datetime

import msgspec

from bench import shop
from footfall.events.decode import decode
from footfall.events.event import Event, Reject

NOW, FIRST_DAY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC)
EVENTS = 1000


def read(value: bytes) -> Event | Reject | list[Event]:
    return decode(value, received_at=NOW, first_day=FIRST_DAY)


def test_every_clean_event_is_valid_and_none_comes_twice():
    events = [read(value) for _, value in shop.clean(EVENTS)]
    assert all(isinstance(event, Event) for event in events)
    assert len({event.message_id for event in events}) == EVENTS


def test_the_events_are_the_same_in_every_run_and_about_as_long_as_said():
    values = [value for _, value in shop.clean(EVENTS)]
    assert values == [value for _, value in shop.clean(EVENTS)]
    assert 400 < sum(map(len, values)) / EVENTS < 500


def test_one_in_a_hundred_spoiled_records_is_rejected_for_five_reasons():
    rejected = [
        result
        for _, value in shop.spoiled(shop.clean(EVENTS))
        if isinstance(result := read(value), Reject)
    ]
    assert len(rejected) == shop.malformed_among(EVENTS) == EVENTS // 100
    assert len({reject.reason for reject in rejected}) == len(shop.SPOILS)


def test_a_row_for_a_jdbc_sink_carries_the_same_event():
    for (_, plain), (_, described) in zip(
        shop.clean(10), shop.with_schema(shop.clean(10)), strict=True
    ):
        flat = msgspec.json.decode(described)
        assert flat["payload"]["payload"] == plain.decode()
        assert [field["field"] for field in flat["schema"]["fields"]] == list(flat["payload"])
