"""Orders by definition: of all that was sent before an instant, what was ordered and given back."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"
SHOP_CURRENCY = "USD"
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Told:
    """An event that counts: its canonical name, and the id whose it is."""

    kind: str
    ref: str
    envelope: Mapping[str, Any]

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.envelope["timestamp"])

    @property
    def message_id(self) -> str:
        return str(self.envelope["messageId"])

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.envelope.get("properties", {})


@dataclass(frozen=True)
class Order:
    """An order that counts, in the shop's currency. ``categories``: one per product, or None."""

    order_id: str
    ref: str
    at: datetime
    gross: Decimal
    discount: Decimal
    returned: Decimal
    has_coupon: bool
    categories: Sequence[str | None]

    @property
    def paid(self) -> Decimal:
        return self.gross - self.discount

    @property
    def worth(self) -> Decimal:
        return self.paid - self.returned


def orders_placed(known: Sequence[Told]) -> Iterator[Order]:
    """Give the orders that these events tell of; what they tell of twice is what came first."""
    copies, backs = defaultdict(list), defaultdict(list)
    for one in known:
        if one.kind == "purchase":
            copies[one.properties["order_id"]].append(one)
        elif one.kind in ("refund", "cancel"):
            backs[one.properties["order_id"]].append(one)
    for order_id, sent in copies.items():
        first = min(sent, key=lambda one: (one.at, one.message_id))
        yield from _placed(order_id, first, backs[order_id])


def amount(value: Any) -> Decimal | None:
    """Return an amount as sent, exact; blank is none."""
    return None if value in (None, "") else Decimal(str(value))


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def price_of(line: Mapping[str, Any]) -> Decimal | None:
    """Return what a line of an order or a cart comes to, if it has a price."""
    price, quantity = amount(line.get("price")), amount(line.get("quantity"))
    return None if price is None else cents(price * (1 if quantity is None else quantity))


def _placed(order_id: str, sent: Told, backs: Sequence[Told]) -> Iterator[Order]:
    told = sent.properties
    lines: Sequence[Mapping[str, Any]] = told["products"]
    gross, discount = _as_sent(told, lines)
    currency = _currency(told) or SHOP_CURRENCY
    rate = _rate(currency, sent.at)
    if rate is None or gross < discount:
        return
    paid = cents(gross * rate) - cents(discount * rate)
    categories: dict[str, str | None] = {}
    for line in lines:
        # one line per product: of two categories the greater
        known = categories.get(line["product_id"])
        categories[line["product_id"]] = max(
            filter(None, (known, line.get("category"))), default=None
        )
    yield Order(
        order_id=order_id,
        ref=sent.ref,
        at=sent.at,
        gross=cents(gross * rate),
        discount=cents(discount * rate),
        returned=_returned(backs, currency, rate, gross - discount, paid),
        has_coupon=any(part.get("coupon") for part in (told, *lines)),
        categories=_categories(lines),
    )


def _as_sent(
    told: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> tuple[Decimal, Decimal]:
    """Return gross revenue and discount, in the order's currency."""
    discount = amount(told.get("discount"))
    if lines:
        of_lines = (cents(amount(line.get("discount")) or Decimal(0)) for line in lines)
        gross = sum((price_of(line) or Decimal(0) for line in lines), Decimal(0))
        return gross, sum(of_lines, Decimal(0)) if discount is None else discount
    revenue, discount = amount(told.get("revenue")), discount or Decimal(0)
    return Decimal(0) if revenue is None else revenue + discount, discount


def _categories(lines: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
    """Return the category of each product; one that is named in two has the greater."""
    named: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        named[line["product_id"]] |= {line["category"]} if "category" in line else set()
    return [max(categories, default=None) for categories in named.values()]


def _returned(
    backs: Sequence[Told], currency: str, rate: Decimal, paid_as_sent: Decimal, paid: Decimal
) -> Decimal:
    """Return what was given back: the amounts named, and once all that is left, no less."""
    named, is_all = Decimal(0), False
    for back in backs:
        total = amount(back.properties.get("total")) if back.kind == "refund" else None
        if total is None:
            is_all = True
        elif (_currency(back.properties) or currency) == currency:
            named += abs(total)
    converted = paid if named == paid_as_sent else cents(named * rate)
    return max(converted, paid) if is_all else converted


def _currency(told: Mapping[str, Any]) -> str | None:
    return (told.get("currency") or "").strip().upper() or None


def _rate(currency: str, at: datetime) -> Decimal | None:
    """Return what a currency is worth on the UTC day of an instant."""
    if currency == SHOP_CURRENCY:
        return Decimal(1)
    with (SEEDS / "exchange_rates.csv").open() as file:
        valid = [
            (row["valid_from"], Decimal(row["rate"]))
            for row in csv.DictReader(file)
            if (row["currency"], row["to_currency"]) == (currency, SHOP_CURRENCY)
            and row["valid_from"] <= at.astimezone(UTC).date().isoformat()
        ]
    return max(valid)[1] if valid else None
