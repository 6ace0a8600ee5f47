"""Features by definition: look at all that a customer did before an instant, and reckon."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import log
from statistics import fmean, stdev
from typing import Protocol, TypeVar

from tests.warehouse.brute_orders import SEEDS, Order, Told, price_of

DAY, SILENCE = timedelta(days=1), timedelta(minutes=30)
WINDOWS = (1, 7, 30, 90)
COUNTED = {
    "coupon": "coupon_applied",
    "page_view": "page_view",
    "product_view": "product_view",
    "search": "search",
    "wishlist_add": "wishlist_add",
    "cart_add": "add_to_cart",
    "checkout": "checkout_start",
    "promo_view": "promo_view",
    "promo_click": "promo_click",
    "email_open": "email_open",
    "email_click": "email_click",
}
DATED = ("coupon", "product_view", "search", "cart_add", "checkout", "email_open")
BROWSING = {
    *("page_view", "product_list_view", "product_click", "product_view", "search", "add_to_cart"),
    *("cart_view", "wishlist_add", "checkout_start"),
}
LOOKS = ("product_view", "product_click", "add_to_cart", "wishlist_add")
# what else a device or an agent is called in these shops is no kind of device
IS_MOBILE = {"Desktop": False, "ios": True, "Tablet": True}
IS_MOBILE_AGENT = {"X11": False, "iPhone": True}
PARTS_OF_A_DAY = {"morning": range(6, 12), "afternoon": range(12, 18), "evening": range(18, 24)}

Features = dict[str, float | None]


class Dated(Protocol):
    """What happened at an instant."""

    @property
    def at(self) -> datetime: ...


Thing = TypeVar("Thing", bound=Dated)


@dataclass(frozen=True)
class Past:
    """What was known of a customer at an instant."""

    as_of: datetime
    first_seen_at: datetime
    device_count: int
    events: Sequence[Told]
    orders: Sequence[Order]

    def within(self, days: int, things: Iterable[Thing]) -> list[Thing]:
        """Return what lies in the last so many days, their first instant included."""
        return [one for one in things if one.at >= self.as_of - days * DAY]

    def of(self, *kinds: str) -> list[Told]:
        return [one for one in self.events if one.kind in kinds]

    def days_since(self, at: datetime) -> float:
        return (self.as_of - at) / DAY


def features(past: Past) -> Features:
    """Return every feature by its name."""
    orders, browsing = (_tenure, _worth, _order_shares, _rhythm), (_counts, _cart, _sessions)
    themes = (*orders, *browsing, _timing, _device, _interest)
    return {name: value for theme in themes for name, value in theme(past).items()}


def _tenure(past: Past) -> Features:
    first = min((one.at for one in past.orders), default=None)
    return {
        "days_since_first_seen": past.days_since(past.first_seen_at),
        "days_since_first_order": None if first is None else past.days_since(first),
        "lifetime_order_count": len(past.orders),
        "lifetime_net_revenue": _net(past.orders),
        "device_count": past.device_count,
    }


def _worth(past: Past) -> Features:
    """Return frequency, spend and trend."""
    found: Features = {}
    for days in WINDOWS:
        orders = past.within(days, past.orders)
        found[f"order_count_{days}d"] = len(orders)
        found[f"net_revenue_{days}d"] = _net(orders)
    for days in (30, 90):
        ordered_on = {one.at.date() for one in past.within(days, past.orders)}
        found[f"order_day_count_{days}d"] = len(ordered_on)
    recent = past.within(90, past.orders)
    weeks = {-((one.at - past.as_of) // (7 * DAY)) for one in recent}
    newest = max(past.orders, key=lambda one: (one.at, one.order_id), default=None)
    net_30, net_90 = found["net_revenue_30d"] or 0, found["net_revenue_90d"] or 0
    return found | {
        "order_week_count_90d": len(weeks),
        "mean_order_value_90d": _mean(one.worth for one in recent),
        "last_order_value": None if newest is None else float(newest.worth),
        "order_count_trend": _ratio(3 * len(past.within(30, past.orders)), len(recent)),
        "net_revenue_trend": 3 * net_30 / net_90 if net_90 > 0 else None,
    }


def _order_shares(past: Past) -> Features:
    """Return discount and basket, and what was given back."""
    found: Features = {}
    for days in (30, 90):
        orders = past.within(days, past.orders)
        discount = sum(one.discount for one in orders)
        found[f"discount_share_{days}d"] = _ratio(discount, sum(one.gross for one in orders))
    recent = past.within(90, past.orders)
    refund_share = _ratio(sum(one.returned for one in recent), sum(one.paid for one in recent))
    return found | {
        "refund_share_90d": None if refund_share is None else min(refund_share, 1),
        "discounted_order_share_90d": _mean(one.discount > 0 for one in recent),
        "coupon_order_share_90d": _mean(one.has_coupon for one in recent),
        "mean_products_per_order_90d": _mean(len(one.categories) for one in recent),
        "mean_categories_per_order_90d": _mean(len(set(one.categories) - {None}) for one in recent),
    }


def _rhythm(past: Past) -> Features:
    """Return recency, and the gaps between days with orders."""
    ordered_on = sorted({one.at.date() for one in past.within(365, past.orders)})
    gaps = [(later - earlier).days for earlier, later in pairwise(ordered_on)]
    newest = max((one.at for one in past.orders), default=None)
    found: Features = {
        "days_since_last_order": None if newest is None else past.days_since(newest),
        "mean_gap_days": _mean(gaps),
        "std_gap_days": stdev(gaps) if len(gaps) > 1 else None,
        "max_gap_days": max(gaps, default=None),
        "last_gap_days": gaps[-1] if gaps else None,
        "mean_last_3_gaps_days": _mean(gaps[-3:]),
        "recency_to_mean_gap": None,
        "recency_to_max_gap": None,
        "recency_gap_score": None,
        "longer_gap_share": None,
    }
    if gaps and newest is not None:
        recency = past.days_since(newest)
        found["recency_to_mean_gap"] = recency / fmean(gaps)
        found["recency_to_max_gap"] = recency / max(gaps)
        found["longer_gap_share"] = _mean(gap * DAY >= past.as_of - newest for gap in gaps)
        if len(gaps) > 1:
            found["recency_gap_score"] = (recency - fmean(gaps)) / (stdev(gaps) + 1)
    return found


def _counts(past: Past) -> Features:
    """Return browsing and promotion, and how often and when last of other kinds."""
    found: Features = {}
    for name, kind in COUNTED.items():
        happened = past.of(kind)
        for days in WINDOWS:
            found[f"{name}_count_{days}d"] = len(past.within(days, happened))
        if name in DATED:
            found[f"days_since_last_{name}"] = _days_since_newest(past, happened)
    browsed = past.of(*BROWSING)
    found["days_since_last_browse"] = _days_since_newest(past, browsed)
    for days in (7, 30, 90):
        browsed_on = {one.at.date() for one in past.within(days, browsed)}
        found[f"browse_day_count_{days}d"] = len(browsed_on)
    views, clicks = (len(past.within(90, past.of(kind))) for kind in ("promo_view", "promo_click"))
    return found | {"promo_clicks_per_view_90d": _ratio(clicks, views)}


def _timing(past: Past) -> Features:
    found: Features = {}
    instants = {
        "order": [one.at for one in past.within(90, past.orders)],
        "browse": [one.at for one in past.within(90, past.of(*BROWSING))],
    }
    for what, happened in instants.items():
        found[f"weekend_{what}_share_90d"] = _mean(at.isoweekday() in (6, 7) for at in happened)
        for part, hours in PARTS_OF_A_DAY.items():
            found[f"{part}_{what}_share_90d"] = _mean(at.hour in hours for at in happened)
    return found


def _cart(past: Past) -> Features:
    """Return what is in the cart since the newest order."""
    newest = max((one.at for one in past.orders), default=None)
    put, taken = (
        [one for one in past.within(30, past.of(kind)) if newest is None or one.at > newest]
        for kind in ("add_to_cart", "remove_from_cart")
    )
    left = sum(_prices(put)) - sum(_prices(taken))
    return {"cart_adds_since_last_order": len(put), "open_cart_value": max(float(left), 0)}


def _sessions(past: Past) -> Features:
    sessions = [
        session
        for session in _cut(past.within(90, past.events))
        if _count(session, "purchase", *BROWSING)
    ]
    carts = [session for session in sessions if _count(session, "add_to_cart")]
    abandoned = [session for session in carts if not _count(session, "purchase")]
    found: Features = {}
    for days in WINDOWS:
        found[f"session_count_{days}d"] = _begun(past, days, sessions)
    for days in (30, 90):
        found[f"abandoned_cart_count_{days}d"] = _begun(past, days, abandoned)
    return found | {
        "abandoned_cart_share_90d": _ratio(len(abandoned), len(carts)),
        "bounce_share_90d": _mean(
            _count(one, *BROWSING) == 1 and not _count(one, "purchase") for one in sessions
        ),
        "order_session_share_90d": _mean(_count(one, "purchase") > 0 for one in sessions),
        "mean_session_minutes_90d": _mean(
            (one[-1].at - one[0].at) / timedelta(minutes=1) for one in sessions
        ),
        "mean_views_per_session_90d": _mean(_count(one, "product_view") for one in sessions),
        "funnel_depth_30d": _depth(past.within(30, past.events)),
        "last_session_depth": _depth(sessions[-1]) if sessions else None,
    }


def _device(past: Past) -> Features:
    named = [_is_mobile(one) for one in past.within(90, past.events)]
    return {"mobile_share_90d": _mean(one for one in named if one is not None)}


def _interest(past: Past) -> Features:
    """Return how wide the looks and the orders spread over categories."""
    looks = [(one.at, _category(one)) for one in past.within(90, past.of(*LOOKS))]
    orders = past.within(90, past.orders)
    bought = [(one.at, category) for one in orders for category in one.categories]
    found: Features = {}
    for verb, things in (("viewed", looks), ("ordered", bought)):
        weights: dict[str, float] = defaultdict(float)
        for at, category in things:
            if category is not None:
                weights[category] += 0.5 ** ((past.as_of.date() - at.date()).days / 30)
        shares = [weight / sum(weights.values()) for weight in weights.values()]
        entropy = -sum(share * log(share) for share in shares)
        found[f"{verb}_category_count_90d"] = len(weights)
        found[f"top_{verb}_category_share_90d"] = max(shares, default=None)
        found[f"{verb}_category_entropy_90d"] = entropy if shares else None
    return found


def _cut(events: Iterable[Told]) -> Iterator[list[Told]]:
    """Give the sessions of these events: longer silence parts them."""
    session: list[Told] = []
    for one in sorted(events, key=lambda one: one.at):
        if session and one.at - session[-1].at > SILENCE:
            yield session
            session = []
        session.append(one)
    if session:
        yield session


def _begun(past: Past, days: int, sessions: Iterable[Sequence[Told]]) -> int:
    return len(past.within(days, (session[0] for session in sessions)))


def _count(events: Iterable[Told], *kinds: str) -> int:
    return sum(1 for one in events if one.kind in kinds)


def _depth(events: Iterable[Told]) -> int:
    with (SEEDS / "funnel_steps.csv").open() as file:
        steps = {row["event_name"]: int(row["step"]) for row in csv.DictReader(file)}
    return max((steps.get(one.kind, 0) for one in events), default=0)


def _is_mobile(one: Told) -> bool | None:
    """Return whether it came from a phone or a tablet: by the device's kind, else by the agent."""
    context = one.envelope.get("context", {})
    kind = context.get("device", {}).get("type")
    agent = context.get("userAgent", "")
    of_agent = (is_mobile for name, is_mobile in IS_MOBILE_AGENT.items() if name in agent)
    return IS_MOBILE.get(kind, next(of_agent, None))


def _category(one: Told) -> str | None:
    return one.properties.get("category")


def _prices(events: Iterable[Told]) -> Iterator[Decimal]:
    return (price_of(one.properties) or Decimal(0) for one in events)


def _days_since_newest(past: Past, happened: Sequence[Told]) -> float | None:
    """Return how long ago the newest of the last 90 days is."""
    recent = past.within(90, happened)
    return past.days_since(max(one.at for one in recent)) if recent else None


def _net(orders: Iterable[Order]) -> float:
    return float(sum(one.worth for one in orders))


def _mean(values: Iterable[Decimal | float]) -> float | None:
    """Return the mean, of yes and no the share of yes; of nothing none."""
    found = [float(value) for value in values]
    return fmean(found) if found else None


def _ratio(part: Decimal | float, whole: Decimal | float) -> float | None:
    return float(part) / float(whole) if whole else None
