"""A simulated shop: the same bytes again, in order of arrival, with the shares that were asked for.

The property at the top holds any small shop against its own truth.
"""

import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.errors import BadArgument
from footfall.events.event import Message
from footfall.events.sources import limited, open_source
from footfall.events.sources.simulate import Plan, Shop, plan
from tests.events.simulated import Run, run

JUNE = datetime(2024, 6, 3, tzinfo=UTC)
shares = st.sampled_from([0.0, 0.02, 0.5])
plans = st.builds(
    lambda days, **options: plan(days=days, **options),
    days=st.integers(1, 40),
    seed=st.integers(0, 2**40),
    customers=st.integers(1, 60),
    since=st.datetimes(datetime(2001, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)),
    malformed=shares,
    duplicates=shares,
    late=shares,
)


@pytest.fixture(scope="module")
def shop() -> Run:
    return run(plan(customers=200))


@settings(max_examples=25, deadline=None)
@given(plans, st.none() | st.integers(0, 500))
def test_what_was_sent_is_what_the_truth_says(plan: Plan, limit: int | None) -> None:
    found = run(plan, limit)
    summary, records = found.summary, len(found.messages) - len(found.facts)
    assert summary["records"] == records == (records if limit is None else min(records, limit))
    assert summary["events"] == len(found.events)
    assert summary["duplicates"] == len(found.duplicates)
    assert summary["malformed"] == len(found.rejects)
    assert records == len(found.events) + len(found.duplicates) + len(found.rejects)
    assert summary["late"] == sum("sentAt" in sent.body for sent in found.events)
    assert summary["catalog_records"] == len(found.facts)
    assert summary["events_by_name"] == Counter(sent.name for sent in found.events)
    assert all(plan.since <= sent.event.occurred_at < plan.until for sent in found.events)


@settings(max_examples=10, deadline=None)
@given(plans)
def test_the_same_plan_gives_the_same_bytes(plan: Plan) -> None:
    first, second = Shop(plan), Shop(plan)
    assert list(first.messages()) == list(second.messages())
    assert list(first.truth()) == list(second.truth())


def test_a_limit_cuts_the_same_stream_off_and_counts_events_only() -> None:
    whole = list(Shop(plan(customers=20, days=60)).messages())
    short = list(limited(Shop(plan(customers=20, days=60)).messages(), 300))
    assert short == whole[: len(short)]
    assert sum(not message.catalog for message in short) == 300
    assert not short[-1].catalog
    assert list(limited(Shop(plan(customers=20, days=60)).messages(), 0)) == []


def test_another_seed_or_another_size_is_another_shop_that_shares_no_id() -> None:
    ids: list[set[str]] = []
    for options in ({"seed": 1}, {"seed": 2}, {"customers": 31}, {"days": 21}):
        found = run(plan(**({"customers": 30, "days": 20} | options)))  # type: ignore[arg-type]
        ids.append(
            {sent.event.message_id for sent in found.events}
            | {str(sent.event.user_id) for sent in found.events if sent.event.user_id}
            | {str(sent.event.anonymous_id) for sent in found.events if sent.event.anonymous_id}
            | {sent.body["properties"]["order_id"] for sent in found.events if _is_order(sent.name)}
        )
    assert not any(ids[i] & ids[j] for i in range(4) for j in range(i))


def test_the_shares_change_how_events_travel_and_not_what_happens() -> None:
    calm = run(plan(customers=40, days=40, late=0, duplicates=0, malformed=0))
    rough = run(plan(customers=40, days=40, late=0.4, duplicates=0.3, malformed=0.3))
    assert not calm.duplicates
    assert not calm.rejects
    assert calm.messages != rough.messages

    def told(found: Run) -> dict[str, object]:
        return {
            sent.event.message_id: sent.body | {"sentAt": None}
            for sent in sorted(found.events, key=lambda sent: sent.event.message_id)
        }

    assert told(calm) == told(rough)
    assert [*calm.customers, *calm.bots] == [*rough.customers, *rough.bots]


def test_records_come_in_order_of_arrival(shop: Run) -> None:
    arrivals = [sent.arrived_at for sent in shop.events]
    assert all(earlier <= later for earlier, later in pairwise(arrivals))
    occurred = [sent.event.occurred_at for sent in shop.events]
    assert any(earlier > later for earlier, later in pairwise(occurred))


def test_late_events_are_minutes_to_weeks_late(shop: Run) -> None:
    delays = [
        sent.arrived_at - sent.event.occurred_at for sent in shop.events if "sentAt" in sent.body
    ]
    assert len(delays) / len(shop.events) == pytest.approx(0.02, rel=0.15)
    assert timedelta(minutes=2) <= min(delays) < timedelta(minutes=10)
    assert timedelta(days=14) < max(delays) <= timedelta(days=21)


def test_an_order_arrives_before_its_refund(shop: Run) -> None:
    arrived: dict[str, datetime] = {}
    for sent in shop.events:
        if sent.name == "Order Completed":
            arrived[sent.body["properties"]["order_id"]] = sent.arrived_at
        elif sent.name in ("Order Refunded", "Order Cancelled"):
            order = sent.body["properties"]["order_id"]
            assert arrived[order] <= sent.arrived_at
            assert sent.event.occurred_at - arrived[order] < timedelta(days=23)


def test_duplicates_are_the_same_bytes_near_and_far(shop: Run) -> None:
    place: dict[bytes | None, int] = {}
    distances = []
    for number, message in enumerate(shop.messages):
        if message.occurred_at is None or message.catalog:
            continue
        if message.value in place:
            distances.append(number - place[message.value])
        place.setdefault(message.value, number)
    assert len(distances) == len(shop.duplicates)
    assert len(distances) / len(shop.events) == pytest.approx(0.01, rel=0.2)
    assert min(distances) == 1
    assert max(distances) > 300


def test_records_go_bad_in_many_ways(shop: Run) -> None:
    assert len(shop.rejects) / len(shop.events) == pytest.approx(0.01, rel=0.2)
    assert len({reject.reason for reject in shop.rejects}) >= 15


def test_the_key_is_the_user_id_or_else_the_anonymous_id(shop: Run) -> None:
    for message in shop.messages:
        if message.catalog or message.occurred_at is None:
            continue
        body = msgspec.json.decode(message.value or b"")
        assert (message.key or b"").decode() == body.get("userId", body.get("anonymousId"))
        stamp = datetime.fromisoformat(body["timestamp"])
        assert message.occurred_at == stamp


def test_the_catalog_comes_first_and_its_versions_rise(shop: Run) -> None:
    first = [message.catalog for message in shop.messages].index(False)
    assert first == len({fact.key for fact in shop.messages[:first]}) == 300
    newest: dict[bytes | None, int] = {}
    ended = set()
    last = shop.facts[0].occurred_at
    for fact in shop.facts:
        assert fact.occurred_at is not None
        assert last is not None
        assert fact.occurred_at >= last
        last = fact.occurred_at
        assert fact.key not in ended
        if fact.value is None:
            ended.add(fact.key)
            continue
        told = msgspec.json.decode(fact.value)
        assert told["product_id"].encode() == fact.key
        assert datetime.fromisoformat(told["updated_at"]) == fact.occurred_at
        assert told["version"] == newest.get(fact.key, 0) + 1
        assert {"name", "category", "brand", "price", "currency", "stock"} <= set(told)
        newest[fact.key] = told["version"]
    assert ended
    assert len(newest) > 300


def test_events_quote_the_price_that_the_catalog_told_before(shop: Run) -> None:
    prices: dict[str, set[float]] = {}
    for message in shop.messages:
        if message.catalog and message.value:
            told = msgspec.json.decode(message.value)
            prices.setdefault(told["product_id"], set()).add(told["price"])
        elif message.occurred_at and not message.catalog:
            for product in _products(message):
                assert product["price"] in prices[product["product_id"]]


def test_the_memory_needed_does_not_grow_with_the_number_of_events() -> None:
    def peak(limit: int) -> int:
        tracemalloc.start(1)
        try:
            sent = sum(1 for _ in limited(Shop(plan(customers=400, days=600)).messages(), limit))
            assert sent > limit
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(40_000) < 1.2 * peak(8_000)


def test_as_a_source_it_is_a_shop_of_the_year_2024() -> None:
    messages = list(open_source("simulate", limit=2_000))
    assert messages == list(limited(Shop(plan(limit=2_000)).messages(), 2_000))
    times = [message.occurred_at for message in messages if message.occurred_at]
    assert min(times) == datetime(2024, 1, 1, tzinfo=UTC)
    narrow = open_source("simulate", since=JUNE, until=JUNE + timedelta(days=1))
    assert all(m.occurred_at is None or JUNE <= m.occurred_at for m in narrow)


def test_a_limit_that_needs_more_customers_gets_them() -> None:
    assert plan(limit=1_000).customers == plan().customers == 2_000
    many = plan(limit=40_000, days=3)
    assert many.customers > 2_000
    assert sum(not m.catalog for m in limited(Shop(many).messages(), 40_000)) == 40_000


def test_a_period_is_two_of_since_until_and_days() -> None:
    day = timedelta(days=1)
    assert (plan().since, plan().until) == (datetime(2024, 1, 1, tzinfo=UTC), JUNE + 212 * day)
    assert plan(since=JUNE, days=3).until == JUNE + 3 * day
    assert plan(until=JUNE, days=3).since == JUNE - 3 * day
    assert plan(until=JUNE).since == datetime(2024, 1, 1, tzinfo=UTC)
    assert plan(since=JUNE).until == JUNE + 366 * day


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": -1}, "--seed is -1"),
        ({"customers": 0}, "--customers is 0"),
        ({"days": 0}, "--days is 0"),
        ({"days": 10**9}, "leaves the calendar"),
        ({"since": JUNE, "until": JUNE, "days": 1}, "two of them"),
        ({"since": JUNE, "until": JUNE}, "is not before"),
        ({"malformed": 0.9}, "--malformed is 0.9; give a share from 0 to 0.5"),
        ({"late": float("nan")}, "--late is nan"),
    ],
)
def test_what_cannot_be_simulated_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        plan(**options)  # type: ignore[arg-type]


def _is_order(name: str) -> bool:
    return name in ("Order Completed", "Order Refunded", "Order Cancelled")


def _products(message: Message) -> list[dict[str, float | str]]:
    properties = msgspec.json.decode(message.value or b"").get("properties", {})
    listed = [properties, *properties.get("products", [])]
    return [product for product in listed if "price" in product]
