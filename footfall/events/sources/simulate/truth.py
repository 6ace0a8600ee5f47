"""What was sent, and about whom: the answers that a loader or a model can be held against."""

from array import array
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from footfall.events.sources.simulate.catalog import KINDS
from footfall.events.sources.simulate.customers import (
    ANSWERS,
    BOT,
    NEVER,
    SEGMENTS,
    Customers,
)
from footfall.events.sources.simulate.delivery import DUPLICATE, FACT, MALFORMED, Sent
from footfall.events.sources.simulate.identities import Identities
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.visit import USER

AMOUNTS = ("gross_revenue", "discount", "refunded")


class Truth:
    """Counts each message as it is sent; a few numbers per customer, however many messages."""

    def __init__(self, plan: Plan, customers: Customers) -> None:
        self._plan, self._customers = plan, customers
        self._kinds: Counter[str] = Counter()
        self._late = 0
        size = customers.size
        self._events = array("l", bytes(8 * size))
        self._seen = bytearray(size)
        self._orders, self._cancelled = array("i", bytes(4 * size)), array("i", bytes(4 * size))
        self._cents = tuple(array("q", bytes(8 * size)) for _ in AMOUNTS)

    def count(self, sent: Sent) -> None:
        """Count a message that is being sent."""
        kind, customer = sent.kind, sent.customer
        self._kinds[kind] += 1
        if customer < 0 or kind is DUPLICATE:
            return
        self._events[customer] += 1
        self._seen[customer] |= sent.ids
        self._late += sent.is_late
        effect = sent.effect
        if effect is not None:
            self._orders[customer] += effect.orders
            self._cancelled[customer] += effect.cancelled
            added = (effect.gross, effect.discount, effect.refunded)
            for cents, amount in zip(self._cents, added, strict=True):
                cents[customer] += amount

    def summary(self) -> dict[str, Any]:
        """Return what was sent in all: records = events + duplicates + malformed."""
        kinds = {
            name: count
            for name, count in sorted(self._kinds.items())
            if name not in (DUPLICATE, MALFORMED, FACT)
        }
        events = sum(kinds.values())
        duplicates, malformed = self._kinds[DUPLICATE], self._kinds[MALFORMED]
        gross, discount, refunded = (sum(cents) for cents in self._cents)
        return {
            "kind": "summary",
            "seed": self._plan.seed,
            "customers": self._plan.customers,
            "since": self._plan.since.isoformat(),
            "until": self._plan.until.isoformat(),
            "records": events + duplicates + malformed,
            "events": events,
            "duplicates": duplicates,
            "malformed": malformed,
            "late": self._late,
            "catalog_records": self._kinds[FACT],
            "orders": sum(self._orders),
            "gross_revenue": gross / 100,
            "discount": discount / 100,
            "refunded": refunded / 100,
            "net_revenue": (gross - discount - refunded) / 100,
            "events_by_name": kinds,
        }

    def lines(self, identities: Identities) -> Iterator[dict[str, Any]]:
        """Yield one line per customer and bot, and the summary as the last one."""
        for customer in range(self._customers.size):
            yield self._line(customer, identities)
        yield self.summary()

    def _line(self, customer: int, identities: Identities) -> dict[str, Any]:
        people, seen = self._customers, self._seen[customer]
        gross, discount, refunded = (cents[customer] for cents in self._cents)
        segment = int(people.segment[customer])
        left_at = int(people.leaves[customer])
        changes = int(people.changes[customer])
        return {
            "kind": "bot" if segment == BOT else "customer",
            "customer": customer,
            "user_id": identities.user_id(customer) if seen & USER else None,
            "anonymous_ids": [
                identities.anonymous_id(customer, device)
                for device in range(3)
                if seen >> device & 1
            ],
            "events": self._events[customer],
            "orders": self._orders[customer],
            "cancelled": self._cancelled[customer],
            "gross_revenue": gross / 100,
            "discount": discount / 100,
            "refunded": refunded / 100,
            "net_revenue": (gross - discount - refunded) / 100,
            "joined_at": _text(int(people.joins[customer])),
            "churned_at": _text(left_at) if left_at < self._plan.end else None,
            "segment": None if segment == BOT else SEGMENTS[segment].name,
            "visits_per_day": round(float(people.visits[customer]), 6),
            "buys_per_visit": round(float(people.buys[customer]), 6),
            "price_sensitivity": round(float(people.price_sensitivity[customer]), 6),
            "discount_sensitivity": round(float(people.discount_sensitivity[customer]), 6),
            "favourite_categories": [
                KINDS[kind].category for kind in people.favourites[customer].tolist()
            ],
            "preferred_hour": round(float(people.hour[customer]), 2),
            "devices": int(people.devices[customer]),
            "shares_a_device": bool(people.shares_device[customer]),
            "consent": ANSWERS[int(people.answer[customer])],
            "consent_changes_at": _text(changes) if changes != NEVER else None,
        }


def _text(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
