"""Every feature is what its meaning says: reckoned anew from the events, for everybody."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from footfall.warehouse.build import build, build_snapshots
from ml.catalogue import FEATURES
from ml.features import NAMES
from tests.conftest import set_environment
from tests.warehouse.brute_features import Features, Past, features
from tests.warehouse.brute_orders import Order, Told, orders_placed
from tests.warehouse.random_shop import AS_OFS, FIRST, SNAPSHOTS, arrivals
from tests.warehouse.shop import rows, store

pytestmark = pytest.mark.unbuilt

INSTANTS = (SNAPSHOTS[2], AS_OFS[-1])  # half past six, and a midnight
SHOPS, PEOPLES = 12, 3
KINDS = (
    *("Product List Viewed", "Cart Viewed", "Checkout Step Viewed", "Payment Info Entered"),
    *("Email Opened", "Email Link Clicked", "Promotion Viewed", "Promotion Clicked"),
    *("Coupon Applied", "Checkout Started", "Product Reviewed", "Products Searched"),
    *("Product Added", "Product Added", "Product Added", "Product Added"),
    *("Product Removed", "Product Removed", "Product Removed"),
)
HOURS = (0, 6, 12, 18)  # where the parts of a day meet
DAYS = (0, 1, 7, 30, 90, 365)  # where windows do
MINUTES = (-31, -1, 0, 0, 0, 1, 30)

Envelope = dict[str, Any]
Key = tuple[datetime, str]  # an instant, and a customer known then


def test_every_feature_is_what_its_meaning_says(shop, monkeypatch):
    set_environment(monkeypatch, unknown_consent="allow")
    sent = {one["messageId"]: one for one in busy_shop(Random(3))}
    store(sent.values())
    build(INSTANTS[-1])
    build_snapshots(INSTANTS)
    found, expected = features_built(), dict(features_by_hand(sent))
    assert found.keys() == expected.keys()
    assert all(values.keys() == found[key].keys() == set(NAMES) for key, values in expected.items())
    wrong = [
        (name, *key, found[key][name], value)
        for key, values in expected.items()
        for name, value in values.items()
        if found[key][name] != close_to(value)
    ]
    assert wrong == []
    # each feature varies, and is missing just where its meaning says that it can be
    seen = {name: {row[name] for row in found.values()} for name in NAMES}
    assert [name for name, values in seen.items() if len(values - {None}) < 2] == []
    assert [one.name for one in FEATURES if (None in seen[one.name]) != bool(one.null_when)] == []


def close_to(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def busy_shop(random: Random) -> Iterator[Envelope]:
    """Give a random shop, and more of other people who come at the same few telling instants."""
    yield from (one.envelope for one in arrivals(random))
    for number in range(SHOPS):
        newest = (at - timedelta(days=days) for at in INSTANTS for days in (0, 1))
        instants = [*newest, *(_telling(random) for _ in range(5))]
        for one in arrivals(random):
            # more aliases would make one customer of all
            if one.envelope["type"] != "alias":
                yield _retold(random, one.envelope, number, random.choice(instants))


def _telling(random: Random) -> datetime:
    if random.random() < 0.4:
        return FIRST + timedelta(days=random.randint(0, 106), hours=random.choice(HOURS))
    return random.choice(INSTANTS) - timedelta(days=random.choice(DAYS))


def _retold(random: Random, envelope: Envelope, number: int, about: datetime) -> Envelope:
    people, name = f"{number % PEOPLES}:", f"{number}:"
    at = about + timedelta(minutes=random.choice(MINUTES))
    who = {id_: people + envelope[id_] for id_ in ("userId", "anonymousId") if id_ in envelope}
    told = envelope | who | {"timestamp": at.isoformat()}
    told["messageId"] = name + envelope["messageId"]
    properties = envelope["properties"]
    if "order_id" in properties:
        told["properties"] = properties | {"order_id": name + properties["order_id"]}
    elif told["type"] == "track" and random.random() < 0.5:
        told["event"] = random.choice(KINDS)
    if random.random() < 0.1:
        told["context"] = told["context"] | {"device": {"type": "Tablet"}}
    return told


def features_built() -> dict[Key, Features]:
    """Return what the warehouse says."""
    return {
        (as_of, customer): kept
        for as_of, customer, kept in rows(
            "select as_of, customer_id, to_jsonb(kept) - 'as_of' - 'customer_id'"
            " from analytics.customer_features as kept"
        )
    }


def features_by_hand(sent: Mapping[str, Envelope]) -> Iterator[tuple[Key, Features]]:
    """Give the features of who could be profiled, from who is who and which events count."""
    told = [
        Told(kind, ref, sent[message])
        for message, kind, ref in rows(
            "select message_id, event_name, ref from intermediate.int_events_admitted"
        )
    ]
    left_out = [
        Told("refusal", ref, sent[message])
        for message, ref in rows("select message_id, ref from intermediate.int_bot_events")
        if allows_profiling(sent[message]) is False
    ]
    for as_of in INSTANTS:
        known = [one for one in told if one.at < as_of]
        refused = [one for one in left_out if one.at < as_of]
        orders = list(orders_placed(known))
        for customer, refs in refs_of_customers(as_of).items():
            if is_profiled(one for one in (*known, *refused) if one.ref in refs):
                yield (as_of, customer), features(past(as_of, refs, known, orders))


def past(as_of: datetime, refs: set[str], known: Iterable[Told], orders: Iterable[Order]) -> Past:
    return Past(
        as_of=as_of,
        first_seen_at=first_seen(refs, known),
        device_count=sum(1 for ref in refs if ref.startswith("a:")),
        events=[one for one in known if one.ref in refs],
        orders=[one for one in orders if one.ref in refs],
    )


def refs_of_customers(as_of: datetime) -> Mapping[str, set[str]]:
    refs = defaultdict(set)
    for customer, ref in rows(
        "select customer_id, ref from intermediate.int_identities_as_of where as_of = %s", as_of
    ):
        refs[customer].add(ref)
    return refs


def first_seen(refs: set[str], known: Iterable[Told]) -> datetime:
    """Return when an event first carried one of these ids."""
    return min(one.at for one in known if {one.ref, f"a:{one.envelope.get('anonymousId')}"} & refs)


def is_profiled(told: Iterable[Told]) -> bool:
    """Return what the newest decision says; of two at one instant the refusal counts."""
    decisions = [
        (one.at, not allowed, allowed)
        for one in told
        if (allowed := allows_profiling(one.envelope)) is not None
    ]
    return max(decisions)[-1] if decisions else True


def allows_profiling(envelope: Envelope) -> bool | None:
    consent = envelope.get("context", {}).get("consent")
    return None if consent is None else all(consent["categoryPreferences"].values())
