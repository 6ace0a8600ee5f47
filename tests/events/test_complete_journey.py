"""The real shop year: whole, exact to the cent, in order, the same each time."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, pairwise

import msgspec
import pytest

from footfall.events.decode import decode
from footfall.events.event import Event, Message
from footfall.events.sources import open_source
from tests.events.envelopes import FIRST_DAY

LATER = datetime(2026, 1, 1, tzinfo=UTC)


class Line(msgspec.Struct, gc=False):
    """Amounts as Postgres reads them: decimals, digit by digit."""

    quantity: int
    price: Decimal
    discount: Decimal


class Order(msgspec.Struct, gc=False, frozen=True):
    """The part of an order that the arithmetic needs."""

    revenue: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    products: list[Line] = []


class Sent(msgspec.Struct, gc=False, rename="camel"):
    """One event of the year."""

    type: str
    message_id: str
    user_id: str
    properties: Order = Order()
    event: str | None = None
    traits: dict[str, str] = {}


@pytest.fixture(scope="module")
def year() -> list[Message]:
    return list(open_source("complete-journey"))


@pytest.fixture(scope="module")
def sent(year: list[Message]) -> list[Sent]:
    read = msgspec.json.Decoder(Sent).decode
    return [read(message.value) for message in year]


def test_the_year_has_every_basket_and_household(sent: list[Sent]) -> None:
    assert sum(event.event == "Order Completed" for event in sent) == 155_848
    assert sum(event.event == "Coupon Applied" for event in sent) == 2_102
    assert sum(event.type == "identify" for event in sent) == 2_469
    assert sum(bool(event.traits) for event in sent) == 801
    assert len({event.user_id for event in sent}) == 2_469
    assert len({event.message_id for event in sent}) == len(sent) == 160_419


def test_revenue_by_the_line_rule_is_the_tills_to_the_cent(sent: list[Sent]) -> None:
    total = Decimal(0)
    for order in (event.properties for event in sent if event.event == "Order Completed"):
        lines = order.products
        gross = sum((round(line.quantity * line.price, 2) for line in lines), Decimal(0))
        assert order.discount == sum((line.discount for line in lines), Decimal(0)) >= 0
        assert gross - order.discount == order.revenue == order.total
        total += order.revenue
    assert total == Decimal("4596039.58")


def test_every_event_is_valid_and_allows_profiling(year: list[Message]) -> None:
    for message in islice(year, 0, None, 7):
        event = decode(message.value, received_at=LATER, first_day=FIRST_DAY)
        assert isinstance(event, Event)
        assert event.allows_profiling is True
        assert event.occurred_at == message.occurred_at
        assert event.user_id is not None
        assert message.key == event.user_id.encode()


def test_events_come_in_order_of_time_and_a_household_signs_in_before_it_orders(
    year: list[Message], sent: list[Sent]
) -> None:
    times = [message.occurred_at for message in year if message.occurred_at is not None]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert (times[0], times[-1]) == (
        datetime(2017, 1, 1, tzinfo=UTC),
        datetime(2018, 1, 1, 4, 1, 20, tzinfo=UTC),
    )
    known: set[str] = set()
    for event in sent:
        if event.type == "identify":
            known.add(event.user_id)
        assert event.event != "Order Completed" or event.user_id in known


def test_a_window_and_a_limit_cut_the_same_messages_out(year: list[Message]) -> None:
    since, until = datetime(2017, 3, 1, tzinfo=UTC), datetime(2017, 3, 8, tzinfo=UTC)
    window = list(open_source("complete-journey", since=since, until=until, limit=2_000))
    inside = [m for m in year if m.occurred_at is not None and since <= m.occurred_at < until]
    assert len(inside) > 2_000
    assert window == inside[:2_000]


def test_an_empty_window_has_no_messages() -> None:
    assert list(open_source("complete-journey", since=LATER, until=LATER)) == []
