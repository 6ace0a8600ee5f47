"""The histories of the section ``warehouse``: a small shop, alone or among many; its late loads.

The small shop is in every history, event for event, and so are the loads that come on top: what
they cost can only differ by what else is stored.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zlib import crc32

from footfall.events.decode import decode
from footfall.events.event import Event
from footfall.events.sources.simulate import Shop, plan
from footfall.warehouse import loads
from footfall.warehouse.connection import transaction
from footfall.warehouse.events import Duplicates, EventBatch
from footfall.warehouse.loads import Origin
from footfall.warehouse.verdicts import Verdict, record_verdict

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
DAYS = 60
END = FIRST_DAY + timedelta(days=DAYS)
CUSTOMERS = 200  # some 10,000 events
EVENTS_PER_CUSTOMER = 53  # of a great shop
EVENTS_AT_ONCE = 1_000  # about what a minute brings
# Of the small shop's events, so many come late; more of those that move what is known.
LATE = 0.02
TELLING = {"identify": 0.3, "purchase": 0.3, "alias": 0.9, "refund": 0.9, "cancel": 0.9}


@dataclass(frozen=True)
class Stored:
    """How many events a store took in, and how many loads brought them."""

    events: int
    loads: int


def history(customers: int, *, new_loads: int) -> Iterator[Event]:
    """Yield the history of a shop of so many customers, the small shop's among them.

    Args:
        customers: at least ``CUSTOMERS``.
        new_loads: how many loads of the small shop's are held back.
    """
    for event in _small_shop():
        if _load_of(event, new_loads) is None:
            yield event
    if customers > CUSTOMERS:
        yield from _shop(seed=customers, customers=customers - CUSTOMERS)


def new_load(number: int, *, of: int) -> list[Event]:
    """Return a load of the small shop's events: the last day's, and late ones of any day.

    Args:
        number: which one, from 0.
        of: how many there are.
    """
    return [event for event in _small_shop() if _load_of(event, of) == number]


def store(
    events: Iterable[Event],
    *,
    at_once: int = EVENTS_AT_ONCE,
    tell: Callable[[int], None] = lambda _: None,
) -> Stored:
    """Store events as loads that the gate let through.

    Args:
        events: in the order in which they come.
        at_once: how many a load brings.
        tell: told after each load how many are stored.
    """
    stored, load_ids = 0, []
    for batch in _batches(events, at_once):
        with transaction() as connection:
            started_at = loads.clock(connection)
            load = loads.store(connection, Origin("bench", started_at, ()), batch)
            record_verdict(connection, _passed(load.load_id, load.stored))
        stored += load.stored
        load_ids.append(load.load_id)
        tell(stored)
    return Stored(stored, len(load_ids))


def events_of(shop: Shop, *, received_at: datetime) -> Iterator[Event]:
    """Yield a simulated shop's events as they are decoded; none of it may be malformed."""
    for message in shop.messages():
        if not message.catalog:
            event = decode(message.value, received_at=received_at, first_day=FIRST_DAY)
            assert isinstance(event, Event), event
            yield event


def _batches(events: Iterable[Event], at_once: int) -> Iterator[EventBatch]:
    duplicates = Duplicates()
    batch = EventBatch(duplicates)
    for offset, event in enumerate(events):
        batch.add("bench", 0, offset, event.received_at, event, event.payload)
        if batch.records_read == at_once:
            yield batch
            batch = EventBatch(duplicates)
    if batch.records_read:
        yield batch


def _passed(load_id: int, rows: int) -> Verdict:
    return Verdict(
        gate="raw",
        subject=str(load_id),
        verdict="pass",
        rows_checked=rows,
        expected=1,
        evaluated=1,
        failures=(),
        rows_found=rows,
        load_ids=(load_id,),
    )


@cache
def _small_shop() -> tuple[Event, ...]:
    return tuple(_shop(seed=1, customers=CUSTOMERS))


def _shop(*, seed: int, customers: int) -> Iterator[Event]:
    shop = Shop(
        plan(
            seed=seed,
            customers=customers,
            since=FIRST_DAY,
            until=END,
            malformed=0,
            duplicates=0,
            late=0,
        )
    )
    yield from events_of(shop, received_at=END)


def _load_of(event: Event, loads: int) -> int | None:
    """Return the load that brings an event of the small shop; None: it is history.

    The last day comes load by load; what is late comes with any of them.
    """
    chance = crc32(event.message_id.encode()) / 2**32
    share = TELLING.get(event.event_name, LATE)
    if chance < share:
        return int(chance / share * loads)
    last_day = END - DAY
    if event.occurred_at >= last_day:
        return int((event.occurred_at - last_day) / DAY * loads)
    return None
