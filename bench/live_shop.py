"""The shop of the section ``freshness``: its history, its champions, and visits that happen now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

from bench.history import EVENTS_AT_ONCE, events_of, store
from bench.shop import CONSENT
from footfall.events.event import Message
from footfall.events.sources.simulate import Shop, plan
from footfall.path import MODELS, gated_build, gated_publish, gated_score, train_champion
from footfall.warehouse.connection import transaction

ACTOR = "bench"
DAYS = 215  # as few as both models can be trained on
VISIT_EVENTS = 20
NAMES = ("Products Searched", "Product Viewed", "Product Viewed", "Product Added")
PRODUCTS = 1_000  # of the simulated catalog: p1, p2, …

_BUYERS = """
    select distinct on (records.customer_id)
        records.customer_id, identities.id_kind, identities.external_id
    from serving.published_records records
    join serving.publications live on live.version = records.version and live.state = 'live'
    join analytics.customer_identities identities
        on identities.customer_id = records.customer_id
    where (
        select count(*) from (
            select from analytics.fct_orders
            join analytics.fct_order_lines lines using (order_id)
            where fct_orders.customer_id = records.customer_id
            group by lines.product_id
            having count(*) > 1
        ) as repeated
    ) < 5
    order by records.customer_id, identities.id_kind desc, identities.external_id  -- user first
"""


@dataclass(frozen=True)
class Buyer:
    """A customer with a record, in which the newest product that they order will be named."""

    customer_id: str
    id_kind: str
    external_id: str


@dataclass
class Sample:
    """One order of a product that nobody else orders, and when a record named that product."""

    buyer: Buyer
    message_id: str
    product_id: str
    sent_at: datetime
    named_at: datetime | None = None


def open_shop(customers: int, *, now: datetime, say: Callable[[str], None]) -> list[Buyer]:
    """Store a shop's history until now, train its champions, publish; return whom to sample.

    The champions are judged on the newest week that has labels, so that drift asks for no training.

    Args:
        customers: how many people ever came.
        now: the end of the history.
        say: tells how far it is.
    """
    say(f"freshness: simulating {customers:,} customers over {DAYS} days")
    period = {"since": now - timedelta(days=DAYS), "until": now}
    shop = Shop(plan(customers=customers, **period, malformed=0, duplicates=0, late=0))
    stored = store(events_of(shop, received_at=now), at_once=10 * EVENTS_AT_ONCE)
    say(f"freshness: {stored.events:,} events, building all of it")
    as_of = gated_build().as_of
    for name in MODELS:
        say(f"freshness: training {name}")
        train_champion(name, now=now, actor=ACTOR)
    say("freshness: scoring and publishing")
    gated_score(as_of, now=now)
    gated_publish(now=now, actor=ACTOR)
    with transaction() as connection:
        return [Buyer(*row) for row in connection.execute(_BUYERS)]


def visits(
    buyers: list[Buyer], *, events: int, sample_every: int, samples: list[Sample]
) -> Iterator[Message]:
    """Yield events that happen when they are asked for: visits of twenty events, and the samples.

    Args:
        buyers: who comes, chosen at random; each sample is another's, until all had one.
        events: how many.
        sample_every: each so-manieth is a sample.
        samples: takes the samples, as they are sent.
    """
    dice = Random(1)
    turns = dice.sample(buyers, len(buyers))
    visitor = dice.choice(buyers)
    for number in range(events):
        now = datetime.now(UTC)
        if number % sample_every == sample_every - 1:
            buyer = turns[len(samples) % len(turns)]
            product = f"sample-{len(samples)}"
            order = {
                "order_id": f"bench-{number}",
                "total": 20,
                "products": [{"product_id": product, "price": 20, "quantity": 1}],
            }
            yield _message(buyer, number, now, "Order Completed", order)
            samples.append(Sample(buyer, _message_id(number), product, now))
            continue
        if number % VISIT_EVENTS == 0:
            visitor = dice.choice(buyers)
        seen = {"product_id": f"p{dice.randrange(1, PRODUCTS)}", "price": 20, "quantity": 1}
        yield _message(visitor, number, now, NAMES[number % len(NAMES)], seen)


def _message_id(number: int) -> str:
    return f"bench-{number}"


def _message(
    who: Buyer, number: int, at: datetime, name: str, properties: dict[str, object]
) -> Message:
    event = {
        "type": "track",
        "event": name,
        "messageId": _message_id(number),
        f"{who.id_kind}Id": who.external_id,
        "timestamp": at.isoformat(timespec="milliseconds"),
        "context": CONSENT,
        "properties": properties | {"currency": "USD"},
    }
    return Message(who.external_id.encode(), msgspec.json.encode(event), at)
