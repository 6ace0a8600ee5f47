"""Small random shops: few people, few orders, much confusion about who is who and when."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.warehouse.shop import event, midnight, refund

FIRST = midnight(3, 1)
# The instants that the shop is built at, one load before each; others have snapshots.
AS_OFS = (midnight(4, 6), midnight(5, 4), midnight(6, 15))
SNAPSHOTS = (
    midnight(3, 30),
    midnight(4, 20),
    datetime(2024, 4, 20, 6, 30, tzinfo=UTC),
    midnight(5, 11),
    midnight(3, 16),  # 90 days before the last instant's eve
)
KINDS = (
    "look",
    "look",
    "look",
    "look",
    "order",
    "order",
    "order",
    "refund",
    "cancel",
    "alias",
    "identify",
    "coupon",
    "promotion",
)
LOOKS = (
    "page",
    "Product Viewed",
    "Product Viewed",
    "Product Clicked",
    "Products Searched",
    "Product Added",
    "Product Added",
    "Product Removed",
    "Product Added to Wishlist",
    "Checkout Started",
)
PROMOTIONS = ("Promotion Viewed", "Promotion Clicked", "Email Opened", "Email Link Clicked")
AGENTS = (
    None,
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
PAGES = (
    {"url": "https://shop.example/sale?utm_source=mail", "referrer": "https://www.mail.example/"},
    {"url": "https://shop.example/"},
)
AMOUNTS = (0, 3, 10, 12.34, 100)
# Of the last there is no rate.
CURRENCIES = ("USD", "usd", "", "EUR", "GBP", "XXX")


@dataclass(frozen=True)
class Arrival:
    """One event, and the load that brings it."""

    load: int
    envelope: dict[str, Any]


def arrivals(random: Random) -> list[Arrival]:
    """Return some hundred events. Half of them come in time, half with any load."""
    events = [_envelope(random, f"m{number:03}") for number in range(random.randint(80, 250))]
    return [Arrival(_load(random, envelope), envelope) for envelope in events]


def _load(random: Random, envelope: dict[str, Any]) -> int:
    if random.random() < 0.5:
        return random.randrange(len(AS_OFS))
    in_time = [n for n, as_of in enumerate(AS_OFS) if envelope["timestamp"] < as_of.isoformat()]
    return in_time[0] if in_time else len(AS_OFS) - 1


def _envelope(random: Random, message: str) -> dict[str, Any]:
    who = _who(random) | {"message": message, "when": _when(random)}
    who["consent"] = random.choice([None, None, None, True, True, False])
    who["context"] = _context(random)
    order_id = f"o{random.randint(0, 30)}"
    match random.choice(KINDS):
        case "look":
            product = _line(random) if random.random() < 0.5 else {}
            product |= _some(random, query=random.choice(["tea", " "]))
            return event(random.choice(LOOKS), **who, session_id=random.choice("st"), **product)
        case "promotion":
            return event(random.choice(PROMOTIONS), **who, promotion_id=random.choice("ab"))
        case "order":
            lines = [_line(random) for _ in range(random.randint(0, 3))]
            details = _some(
                random,
                discount=random.choice(AMOUNTS),
                revenue=random.choice(AMOUNTS),
                currency=random.choice(CURRENCIES),
                coupon=random.choice(["", "TEN"]),
            )
            return event("Order Completed", **who, order_id=order_id, products=lines, **details)
        case "refund":
            amount = random.choice([None, *AMOUNTS])
            details = _some(random, currency=random.choice(CURRENCIES))
            return refund(**who, order_id=order_id, amount=amount, **details)
        case "cancel":
            return event("Order Cancelled", **who, order_id=order_id)
        case "alias":
            previous = random.choice([_user(random), _device(random), "old"])
            return event("alias", **who | {"user": _user(random)}, previous=previous)
        case "identify":
            return event("identify", **who, traits={random.choice("ab"): random.randint(0, 3)})
        case _:
            return event("Coupon Applied", **who)


def _who(random: Random) -> dict[str, Any]:
    user, device = _user(random), _device(random)
    return random.choice(
        [{"user": user}, {"anonymous": device}, {"user": user, "anonymous": device}]
    )


def _user(random: Random) -> str:
    return f"u{random.randint(0, 19)}"


def _device(random: Random) -> str:
    return f"d{random.randint(0, 29)}"


def _when(random: Random) -> datetime:
    """Return an instant; many are midnights, or half an hour from each other."""
    minutes = random.choice([0, 0, 10, 30, 60, 61, 390, 600, 1110, 1439])
    day = random.choice([random.randint(0, 110), random.randint(0, 110), 33, 34, 104])
    return FIRST + timedelta(days=day, minutes=minutes)


def _context(random: Random) -> dict[str, Any]:
    """Return where and by what an event was sent; robots sign in, order and refuse as people do."""
    agent = random.choice(AGENTS)
    return ({"userAgent": agent} if agent else {}) | _some(
        random,
        page=random.choice(PAGES),
        campaign={"source": random.choice("xy"), "medium": "email", "name": "spring"},
        device={"type": random.choice(["Desktop", "ios", "server", "toaster"])},
    )


def _line(random: Random) -> dict[str, Any]:
    line = {"product_id": random.choice(["p1", "p2", "p3"]), "price": random.choice(AMOUNTS)}
    return line | _some(
        random,
        quantity=random.choice([0, 1, 2, "3", -1]),
        discount=random.choice([1, 0.5]),
        coupon=random.choice(["", "TEA"]),
        category=random.choice("xy"),
    )


def _some(random: Random, **fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if random.random() < 0.5}
