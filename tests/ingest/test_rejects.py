"""Records that were set aside are listed, and loaded once after a fix."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from footfall.events.decode import decode
from footfall.events.event import Event, Reject
from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.ingest.rejects import list_rejects, replay_rejects
from footfall.warehouse.rejects import RejectGroup
from tests.conftest import set_environment
from tests.events.envelopes import encode, ga4_body, order, track
from tests.ingest.conftest import Query, Send

OLD, LONG_AGO = "1999-05-01T00:00:00Z", datetime(1999, 5, 1, tzinfo=UTC)


@pytest.fixture
def loaded(environment: dict[str, str], send: Send) -> None:
    """Load two orders from before the first day (one of them twice), and what stays unreadable."""
    send(
        [
            encode(order("o-1", timestamp=OLD)),
            encode(order("o-2", timestamp=OLD)),
            encode(order("o-1", timestamp=OLD)),
            encode(track("Unheard Of")),
            encode(order("o-3")),
            b"{",
            None,
        ]
    )
    ingest_until_caught_up()


def test_rejects_are_grouped_by_reason_and_name(loaded: None, topic: str) -> None:
    before, *rest = list_rejects()
    assert before == RejectGroup(
        reason="before_first_day",
        event_name="Order Completed",
        count=3,
        detail="1999-05-01T00:00:00+00:00 is before 2000-01-01T00:00:00+00:00",
        example=before.example,
    )
    assert before.example.startswith(f"{topic}[")
    assert [(group.reason, group.event_name, group.count) for group in rest] == [
        ("malformed_json", None, 1),
        ("null_value", None, 1),
        ("unknown_event", "Unheard Of", 1),
    ]


def test_a_fix_loads_rejects_exactly_once(
    loaded: None, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    useless = replay_rejects()
    assert (useless.loads, useless.records_read, useless.rejected) == (0, 5, 5)

    set_environment(monkeypatch, first_day="1990-01-01")
    done = replay_rejects()
    counts = (done.records_read, done.stored, done.duplicates, done.rejected)
    assert (done.loads, *counts) == (1, 5, 2, 1, 2)
    again = replay_rejects()
    assert (again.loads, again.records_read, again.rejected) == (0, 2, 2)

    assert query("select message_id, occurred_at from raw.events order by message_id") == [
        ("m-o-1", datetime(1999, 5, 1, tzinfo=UTC)),
        ("m-o-2", datetime(1999, 5, 1, tzinfo=UTC)),
        ("m-o-3", datetime(2017, 6, 1, 12, tzinfo=UTC)),
    ]
    assert query(
        "select reason, count(*) filter (where replayed_at is not null), count(*)"
        " from raw.rejected_events group by reason order by reason"
    ) == [
        ("before_first_day", 3, 3),
        ("malformed_json", 0, 1),
        ("null_value", 0, 1),
        ("unknown_event", 0, 1),
    ]
    assert [group.reason for group in list_rejects()] == [
        "malformed_json",
        "null_value",
        "unknown_event",
    ]


def test_an_event_is_loaded_as_if_it_had_been_valid_from_the_start(
    loaded: None, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = "kafka_topic, kafka_partition, kafka_offset, received_at"
    kept = query(f"select {columns} from raw.rejected_events where reason = 'before_first_day'")
    set_environment(monkeypatch, first_day="1990-01-01")
    replay_rejects()
    stored = query(f"select {columns} from raw.events where occurred_at < '2000-01-01'")
    assert set(stored) < set(kept)
    assert len(stored) == 2


def test_a_body_of_several_events_counts_as_many_once_it_is_read(
    environment: dict[str, str], send: Send, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    send([encode(ga4_body("page_view", "view_cart", "search", at=LONG_AGO)), b"{", b"["])
    ingest_until_caught_up()
    set_environment(monkeypatch, first_day="1990-01-01")
    done = replay_rejects()
    counts = (done.records_read, done.stored, done.duplicates, done.rejected)
    assert counts == (5, 3, 0, 2)
    assert query("select sum(records_read), sum(stored) from raw.loads") == [(6, 3)]


@pytest.mark.parametrize(
    "refused", [order("o-1", timestamp=OLD), ga4_body("page_view", "search", at=LONG_AGO)]
)
def test_what_postgres_refuses_is_rejected_still(
    environment: dict[str, str],
    send: Send,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    refused: dict[str, Any],
) -> None:
    send([encode(refused), encode(order("o-2", timestamp=OLD))])
    ingest_until_caught_up()

    def lenient(value: bytes | None, **options: Any) -> Event | Reject | list[Event]:
        result = decode(value, **options)
        if value != encode(refused) or isinstance(result, Reject):
            return result
        events = [result] if isinstance(result, Event) else result
        spoilt = [msgspec.structs.replace(event, payload=b'"\\u0000"') for event in events]
        return spoilt[0] if isinstance(result, Event) else spoilt

    monkeypatch.setattr("footfall.ingest.rejects.decode", lenient)
    set_environment(monkeypatch, first_day="1990-01-01")
    for stored in (1, 0):
        done = replay_rejects()
        counts = (done.records_read, done.stored, done.duplicates, done.rejected)
        assert counts == (1 + stored, stored, 0, 1)
    assert [(group.reason, group.count) for group in list_rejects()] == [("not_storable", 1)]
    assert query("select records_read, stored from raw.loads order by load_id") == [(2, 0), (1, 1)]
