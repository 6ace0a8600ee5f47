"""Segments by definition: at every instant of a grid, look at all that happened, and compare."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any

from footfall.warehouse.segment_rules import ANY

GRID = timedelta(minutes=1)
NOON = datetime.fromisoformat("2024-03-01T12:00:00+00:00")


@dataclass(frozen=True)
class Happening:
    """One event of a customer, so many minutes after noon. ``order_id``: of purchase and refund."""

    minute: int
    kind: str
    category: str | None = None
    product_id: str | None = None
    shop_session_id: str | None = None
    value: Decimal | None = None
    order_id: str | None = None
    lines: tuple[tuple[str, str | None], ...] = ()  # a purchase's (product, category)

    @property
    def at(self) -> datetime:
        return NOON + self.minute * GRID


Stay = tuple[int, float]  # from this minute on, up to that one


def stays(rule: Mapping[str, Any], past: Sequence[Happening], last: int) -> list[Stay]:
    """Return when a customer's past satisfies a rule; nothing changes after minute ``last``."""
    categories = {one.category for one in past} | {c for one in past for _, c in one.lines}
    groups = sorted(categories - {None}, key=str) if rule["per"] else [None]
    found: list[Stay] = []
    since: int | None = None
    for minute in range(last + 2):
        is_member = any(_holds(rule, past, group, minute) for group in groups)
        if is_member and since is None:
            since = minute
        elif not is_member and since is not None:
            found.append((since, minute))
            since = None
    return [*found, (since, inf)] if since is not None else found


def _holds(rule: Mapping[str, Any], past: Sequence[Happening], group: str | None, now: int) -> bool:
    return all(_is_met(condition, past, group, now) for condition in rule["when"])


def _is_met(
    condition: Mapping[str, Any], past: Sequence[Happening], group: str | None, now: int
) -> bool:
    measured, bound = _measure(condition, past, group, now), Decimal(condition["bound"])
    match condition["comparison"]:
        case "at_least":
            return measured >= bound
        case "more_than":
            return measured > bound
        case "fewer_than":
            return measured < bound
        case _:
            return measured <= 0


def _measure(
    condition: Mapping[str, Any], past: Sequence[Happening], group: str | None, now: int
) -> Decimal | int:
    of, window = condition["of"], condition["within_minutes"] or inf
    known = [one for one in past if one.minute <= now]
    counting = [one for one in known if now < one.minute + window]
    chosen = [
        one
        for one in counting
        if (ANY in of or one.kind in of) and (group is None or one.category == group)
    ]
    bought = [
        (one, product, category)
        for one in counting
        if one.kind == "purchase" and (ANY in of or "purchase" in of)
        for product, category in one.lines
        if group is None or category == group
    ]
    match condition["measure"]:
        case "shop_sessions":
            return len({one.shop_session_id for one in chosen} - {None})
        case "products":
            seen = {one.product_id for one in chosen if one.kind != "purchase"} - {None}
            return len(seen | {product for _, product, _ in bought})
        case "events":
            others = sum(1 for one in chosen if one.kind != "purchase")
            if group is None:
                return others + sum(1 for one in chosen if one.kind == "purchase")
            return others + len({one.order_id for one, _, _ in bought})
        case "value":
            worth = sum(
                (one.value or Decimal(0) for one in chosen if one.kind != "purchase"), Decimal(0)
            )
            return worth + (_paid(known, now, window) if "purchase" in of else 0)
        case _:
            return _cart(known, now, window)


def _paid(known: Iterable[Happening], now: int, window: float) -> Decimal:
    """What is known to be paid, net, for the orders that lie in the window."""
    known = list(known)
    orders = {
        one.order_id: one.value or Decimal(0)
        for one in known
        if one.kind == "purchase" and now < one.minute + window
    }
    back = sum(
        (
            one.value or Decimal(0)
            for one in known
            if one.kind == "refund" and one.order_id in orders
        ),
        Decimal(0),
    )
    return sum(orders.values(), Decimal(0)) - back


def _cart(known: Sequence[Happening], now: int, window: float) -> Decimal:
    """Replay what was put in and taken out."""
    cart, touched = Decimal(0), -inf
    moves = [one for one in known if one.kind in ("add_to_cart", "remove_from_cart", "purchase")]
    for minute in sorted({one.minute for one in moves}):
        here = [one for one in moves if one.minute == minute]
        if minute >= touched + window:
            cart = Decimal(0)
        touched = minute
        cart += sum((one.value or 0 for one in here if one.kind == "add_to_cart"), Decimal(0))
        cart -= sum((one.value or 0 for one in here if one.kind == "remove_from_cart"), Decimal(0))
        cart = max(cart, Decimal(0))
        if any(one.kind == "purchase" for one in here):
            cart = Decimal(0)
    return cart if now < touched + window else Decimal(0)
