"""Law 3: what a snapshot says follows from what occurred before its as_of, and nothing else."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from footfall.warehouse.build import build, build_snapshots
from tests.conftest import set_environment
from tests.warehouse.random_shop import AS_OFS, SNAPSHOTS, Arrival, arrivals
from tests.warehouse.shop import event, order, refund, rows, start_over, store

pytestmark = pytest.mark.unbuilt

# A build takes seconds: one example of many events, and no shrinking.
RANDOM = settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 2**32)
PROFILES = ("customer_rfm", "customer_features")


@pytest.fixture(autouse=True)
def everybody_is_profiled(shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profile who never decided: fuller tables."""
    set_environment(monkeypatch, unknown_consent="allow")


def profiles(as_of: datetime) -> dict[str, list[str]]:
    """Return what the snapshot says of everybody, byte for byte."""
    return {
        name: [
            row
            for (row,) in rows(
                f"select kept::text from analytics.{name} as kept where as_of = %s order by 1",
                as_of,
            )
        ]
        for name in PROFILES
    }


def before(events: Sequence[Arrival], as_of: datetime) -> list[dict[str, Any]]:
    envelopes = [arrival.envelope for arrival in events]
    return [one for one in envelopes if one["timestamp"] < as_of.isoformat()]


@RANDOM
@given(seed=SEEDS)
def test_features_know_nothing_after_as_of_wherever_it_lies(seed):
    check_moving_as_of(arrivals(Random(seed)))


def check_moving_as_of(events: Sequence[Arrival]) -> None:
    """A snapshot built last of all equals one of a shop where nothing later has happened."""
    instants = (AS_OFS[0], SNAPSHOTS[2])  # a midnight, and half past six
    start_over()
    store([arrival.envelope for arrival in events])
    build(AS_OFS[-1])
    build_snapshots(instants)
    hindsight = {as_of: profiles(as_of) for as_of in instants}
    for as_of in instants:
        start_over()
        store(before(events, as_of))
        build(as_of)
        assert hindsight[as_of] == profiles(as_of)
        assert all(hindsight[as_of].values())


@RANDOM
@given(seed=SEEDS)
def test_features_know_nothing_after_as_of_whatever_happens_then(seed):
    check_planted_events(Random(seed))


def check_planted_events(random: Random) -> None:
    """Whatever the same customers do from as_of on, and however it is built, nothing changes."""
    as_of, end = SNAPSHOTS[2], AS_OFS[-1]
    start_over()
    known = before(arrivals(random), as_of)
    store(known)
    build(as_of)
    told = profiles(as_of)
    assert all(told.values())
    store(planted(random, known, as_of))
    build(end)
    assert profiles(as_of) == told
    build(end, full_refresh=True)
    assert profiles(as_of) == told


def planted(
    random: Random, known: Sequence[dict[str, Any]], as_of: datetime
) -> Iterator[dict[str, Any]]:
    """Give every kind of later event of everybody who is known, the first at as_of itself."""
    people = {(one.get("userId"), one.get("anonymousId")) for one in known}
    for number, (user, device) in enumerate(sorted(people, key=str)):
        after = [as_of + timedelta(minutes=minutes) for minutes in (0, 1, 20, 600, 20_000)]
        who: dict[str, Any] = {"user": user, "anonymous": device}
        stranger = {"user": f"u{random.randint(0, 19)}", "anonymous": device or "d1"}
        name = f"later{number}"
        yield event("Product Viewed", message=f"{name}a", when=after[0], category="x", **who)
        yield event("Product Added", message=f"{name}b", when=after[1], price=9, **who)
        yield event("page", message=f"{name}c", when=after[2], consent=False, **who)
        # signs in on somebody's device, which is known as another's or as nobody's
        yield event("identify", message=f"{name}d", when=random.choice(after), **stranger)
        yield event(
            "alias",
            message=f"{name}e",
            when=after[1],
            user=stranger["user"],
            previous=user or device,
        )
        yield order(f"{name}f", f"new{number}", when=random.choice(after), coupon="TEN", **who)
        order_id = f"o{random.randint(0, 30)}"
        yield refund(f"{name}g", order_id, when=random.choice(after), **who)
        yield event("Order Cancelled", message=f"{name}h", when=after[3], order_id="o1", **who)
        yield order(f"{name}i", order_id, when=random.choice(after), **who)
        yield event("Promotion Clicked", message=f"{name}j", when=after[4], **who)
