"""What was erased does not come back: not from Kafka, not from a window, not from the rejects."""

import hashlib

import pytest

from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.ingest.rejects import replay_rejects
from footfall.ingest.window import ingest_window
from tests.conftest import set_environment
from tests.events.envelopes import encode, envelope, ga4_body, order, track
from tests.ingest.conftest import Query, Send

OLD = "1999-05-01T00:00:00Z"


def erase(query: Query, *refs: str) -> None:
    for ref in refs:
        query(
            "insert into privacy.erasures (ref_sha256, rows_erased) values (%s, '{}')",
            hashlib.sha256(ref.encode()).hexdigest(),
        )
        query("delete from raw.events where customer_ref = %s", ref)


def test_events_of_an_erased_customer_are_set_aside_without_their_bytes(
    environment: dict[str, str], send: Send, query: Query
) -> None:
    erase(query, "u:änn", "a:phone")
    send(
        [
            encode(order("o-1", userId="änn")),
            encode(envelope(messageId="m-2", userId=None, anonymousId="phone")),
            encode(track("Unheard Of änn", userId="änn")),
            encode(order("o-3", userId="bob")),
        ]
    )
    done = ingest_until_caught_up()
    assert (done.stored, done.rejected) == (1, 3)
    assert query("select customer_ref from raw.events") == [("u:bob",)]
    assert (
        query("select reason, detail, raw from raw.rejected_events")
        == [("erased", "the customer was erased", None)] * 3
    )
    assert query("select count(*) from raw.rejected_events where event_name like '%%änn%%'") == [
        (0,)
    ]


def test_a_body_of_several_events_of_an_erased_customer_is_set_aside_once(
    environment: dict[str, str], send: Send, query: Query
) -> None:
    erase(query, "u:ann")
    send([encode(ga4_body("page_view", "view_cart", "search", user_id="ann")), encode(order())])
    done = ingest_until_caught_up()
    assert (done.records_read, done.stored, done.duplicates, done.rejected) == (4, 0, 0, 4)
    assert query("select reason, raw from raw.rejected_events") == [("erased", None)] * 2
    query("truncate raw.partition_offsets")
    again = ingest_until_caught_up()
    assert (again.records_read, again.duplicates) == (4, 4)


def test_a_replay_of_the_topic_does_not_bring_an_erased_customer_back(
    environment: dict[str, str], send: Send, query: Query
) -> None:
    send(encode(order(f"o-{n}", userId=user)) for n, user in enumerate(["ann", "bob", "ann"]))
    ingest_until_caught_up()
    erase(query, "u:ann")
    window = ingest_window(None, None)
    assert (window.records_read, window.duplicates, window.rejected) == (3, 1, 2)
    query("truncate raw.partition_offsets")
    again = ingest_until_caught_up()
    assert (again.records_read, again.stored, again.duplicates) == (3, 0, 3)
    assert query("select customer_ref from raw.events") == [("u:bob",)]


def test_rejects_of_an_erased_customer_are_not_replayed_and_lose_their_bytes(
    environment: dict[str, str], send: Send, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    send([encode(order("o-1", timestamp=OLD)), encode(order("o-2", userId="bob", timestamp=OLD))])
    ingest_until_caught_up()
    erase(query, "u:ann")
    set_environment(monkeypatch, first_day="1990-01-01")
    done = replay_rejects()
    assert (done.records_read, done.stored, done.rejected) == (2, 1, 1)
    assert query(
        "select reason, raw is null, replayed_at is null from raw.rejected_events order by reason"
    ) == [
        ("before_first_day", False, False),
        ("erased", True, True),
    ]
