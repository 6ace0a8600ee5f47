"""Who shares a device with somebody who is erased loses what nobody had signed in for, no more."""

from random import Random

import pytest

from footfall.warehouse.build import build, build_snapshots
from tests.conftest import set_environment
from tests.warehouse.random_shop import AS_OFS, arrivals
from tests.warehouse.shop import at, erase, event, marts, midnight, order, rows, store

pytestmark = [pytest.mark.unbuilt, pytest.mark.usefixtures("shop")]


def view(message: str, hours: float, **who: str) -> dict[str, object]:
    return event(message=message, when=at(hours=hours), **who)


def a_tablet() -> list[dict[str, object]]:
    """Return what Ann and Bob do in turns on one tablet; Bob has a phone as well."""
    return [
        view("m1", 0, anonymous="tablet"),
        view("m2", 1, anonymous="tablet", user="ann"),
        order("m3", "o3", anonymous="tablet", when=at(hours=2)),
        view("m4", 3, anonymous="tablet", user="bob"),
        order("m5", "o5", anonymous="tablet", when=at(hours=4)),
        view("m6", 5, anonymous="tablet", user="ann"),
        order("m7", "o7", anonymous="tablet", user="ann", when=at(hours=6)),
        view("m8", 7, anonymous="phone"),
        view("m9", 8, anonymous="phone", user="bob"),
    ]


@pytest.mark.parametrize(
    ("erased", "left"), [("u:bob", ["m2", "m6", "m7"]), ("u:ann", ["m4", "m9", "m8"])]
)
def test_the_others_signed_in_events_stay_and_their_tables_follow(erased, left):
    store(a_tablet())
    build(midnight(3, 9))
    erase(erased)
    assert {message for (message,) in rows("select message_id from raw.events")} == set(left)
    assert {
        message for (message,) in rows("select message_id from intermediate.int_events_admitted")
    } == set(left)
    build(midnight(3, 9))
    increments = marts()
    build(midnight(3, 9), full_refresh=True)
    assert increments == marts()
    orders = [order_id for (order_id,) in rows("select order_id from analytics.fct_orders")]
    assert orders == (["o7"] if erased == "u:bob" else [])
    assert rows("select count(*) from ops.reopened_refs") == [(0,)]


def test_a_build_of_snapshots_in_between_forgets_no_erasure():
    store(a_tablet())
    build(midnight(3, 9))
    erase("u:bob")
    build_snapshots([midnight(3, 6)])
    build(midnight(3, 9))
    increments = marts()
    build(midnight(3, 9), full_refresh=True)
    build_snapshots([midnight(3, 6)])
    assert increments == marts()


def test_an_erased_device_alone_is_its_last_users():
    store(a_tablet())
    build(midnight(3, 9))
    erase("a:tablet")
    assert rows("select message_id from raw.events order by 1") == [("m4",), ("m8",), ("m9",)]


@pytest.mark.parametrize(("seed", "erased"), [(1, "u:u3"), (3, "a:d4")])
def test_after_an_erasure_the_increments_equal_a_full_build(seed, erased, monkeypatch):
    set_environment(monkeypatch, unknown_consent="allow")
    events = arrivals(Random(seed))
    for number, as_of in enumerate(AS_OFS):
        store([arrival.envelope for arrival in events if arrival.load == number])
        build(as_of)
        if number == 1:
            erase(erased)
    increments = marts()
    build(AS_OFS[-1], full_refresh=True)
    full = marts()
    assert {name: len(kept) for name, kept in increments.items()} == {
        name: len(kept) for name, kept in full.items()
    }
    assert increments == full
