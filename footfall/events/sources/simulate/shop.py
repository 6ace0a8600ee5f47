"""The simulated shop, day by day: who comes, what they do, and when their events arrive."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from footfall.events.event import Message
from footfall.events.sources.simulate.behaviour import Behaviour
from footfall.events.sources.simulate.catalog import Catalog
from footfall.events.sources.simulate.customers import Customers
from footfall.events.sources.simulate.delivery import Delivery, Sent
from footfall.events.sources.simulate.identities import Identities
from footfall.events.sources.simulate.orders import Orders
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.seasons import DAY_MS, busyness, is_sale, weekday
from footfall.events.sources.simulate.truth import Truth
from footfall.events.sources.simulate.visit import Draft

VISITS_AT_ONCE = 1_000
MAIL_WEEKDAY, MAIL_HOUR = 1, 9
HOUR_MS = 3_600_000
HOURS_SPREAD = 2.2

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Shop:
    """A plan being carried out. Iterating over ``messages`` simulates; ``truth`` tells of it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._customers = Customers(plan)
        self._catalog = Catalog(plan)
        self._drafts: list[Draft] = []
        self._identities = Identities(plan, self._customers, self._drafts.append)
        self._orders = Orders(plan, self._customers, self._catalog, self._identities)
        self._behaviour = Behaviour(
            plan, self._customers, self._catalog, self._identities, self._orders
        )
        self._delivery = Delivery(plan)
        self._truth = Truth(plan, self._customers)
        self._rng = plan.numbers("visits")

    def messages(self) -> Iterator[Message]:
        """Yield the shop's messages in order of arrival: first the catalog, then its year."""
        count = self._truth.count
        for part in self._parts():
            for sent in part:
                count(sent)
                yield sent.message

    def truth(self) -> Iterator[dict[str, Any]]:
        """Yield what was sent so far, and about whom: a line per customer, then the summary."""
        return self._truth.lines(self._identities)

    def _parts(self) -> Iterator[Iterator[Sent]]:
        start, end = self._plan.start, self._plan.end
        self._delivery.take([], list(self._catalog.initial(start)))
        for day in range(start - start % DAY_MS, end, DAY_MS):
            facts = list(self._changes(day))
            at, customer, is_mail = self._day(day)
            for first in range(0, max(len(at), 1), VISITS_AT_ONCE):
                part = slice(first, first + VISITS_AT_ONCE)
                is_last = part.stop >= len(at)
                until = min(day + DAY_MS, end) if is_last else int(at[part.stop])
                self._live(at[part], customer[part], is_mail[part], is_sale(day))
                self._orders.follow_up(until)
                self._delivery.take([draft for draft in self._drafts if draft.at < end], facts)
                self._drafts.clear()
                facts = []
                yield self._delivery.arrived(until)
        yield self._delivery.arrived(None)

    def _changes(self, day: int) -> Iterator[tuple[int, Message]]:
        """Return the catalog's changes by the midnight that begins a day."""
        sale, was_sale = is_sale(day), is_sale(day - DAY_MS)
        if day > self._plan.start:
            return self._catalog.new_day(day, sale and not was_sale, was_sale and not sale)
        return self._catalog.new_day(self._plan.start, sale, False) if sale else iter(())

    def _live(self, at: Ints, customer: Ints, is_mail: Flags, sale: bool) -> None:
        behaviour = self._behaviour
        for when, who, mail in zip(at.tolist(), customer.tolist(), is_mail.tolist(), strict=True):
            if mail:
                behaviour.email(when, who)
            else:
                behaviour.visit(when, who, sale)

    def _day(self, day: int) -> tuple[Ints, Ints, Flags]:
        """Return the visits and email openings of a day: when, who, and which it is, by time."""
        people, rng, plan = self._customers, self._rng, self._plan
        rates = people.rates(day, weekday(day) >= 5) * busyness(day)
        visitor = np.repeat(np.arange(people.size), rng.poisson(rates))
        hours = (people.hour[visitor] + rng.normal(0, HOURS_SPREAD, len(visitor))) % 24
        at = day + (hours * HOUR_MS).astype(np.int64)
        bots = visitor >= people.people
        at[bots] = day + (rng.random(int(bots.sum())) * DAY_MS).astype(np.int64)
        mailed = np.zeros(len(at), bool)
        if weekday(day) == MAIL_WEEKDAY:
            reader = np.flatnonzero(rng.random(people.size) < people.opens_email)
            opened = day + MAIL_HOUR * HOUR_MS + rng.exponential(5 * HOUR_MS, len(reader))
            visitor = np.concatenate([visitor, reader])
            at = np.concatenate([at, opened.astype(np.int64)])
            mailed = np.concatenate([mailed, np.ones(len(reader), bool)])
        here = (at >= np.maximum(people.joins[visitor], plan.start)) & (at < day + DAY_MS)
        here &= at < np.minimum(people.leaves[visitor], plan.end)
        order = np.flatnonzero(here)[np.argsort(at[here], kind="stable")]
        return at[order], visitor[order], mailed[order]
