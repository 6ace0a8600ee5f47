"""Erased from the tables as dbt really builds them: nothing is left, and nothing comes back."""

from typing import Any

import psycopg
import pytest

from footfall.gates.check import check_raw
from footfall.privacy.erasure import erase
from footfall.warehouse.build import build
from tests.privacy.shop import NOW, Event, event, load, mentions
from tests.warehouse.shop import marts

ADA, BOB, PHONE = "ada-lovelace-1815", "bob-1", "phone-7f3a9c"
CONSENT = {"consent": {"categoryPreferences": {"Analytics": True, "Personalization": True}}}


def visit(user: str | None, anonymous: str | None, minutes: int, order: str | None) -> list[Event]:
    """A page view and, perhaps, an order."""
    lines = [{"product_id": "p1", "price": 5, "quantity": 2, "category": "tea"}]
    events = [event(user=user, anonymous=anonymous, minutes=minutes, context=CONSENT)]
    if order:
        bought = {"order_id": order, "revenue": 10, "currency": "USD", "products": lines}
        events.append(
            event(
                user=user,
                anonymous=anonymous,
                minutes=minutes + 5,
                type="track",
                event="Order Completed",
                properties=bought,
                context=CONSENT,
            )
        )
    return events


def test_nothing_is_left_and_the_next_builds_agree(
    database: str, redis_url: str, connection: psycopg.Connection[Any]
) -> None:
    events = [
        *visit(None, PHONE, 1, None),
        *visit(ADA, PHONE, 100, "o1"),
        *visit(BOB, None, 50, "o2"),
        *visit(BOB, "shared-tablet", 300, None),
        *visit(ADA, "shared-tablet", 200, "o3"),
    ]
    load(connection, events)
    check_raw().enforce()
    build()
    assert "analytics.fct_orders" in mentions(connection, "o1")

    erase(ADA, actor="officer", now=NOW)

    for word in (ADA, PHONE, "o1", "o3"):
        assert mentions(connection, word) == []
    load(connection, [*events, *visit(BOB, None, 400, "o4")])
    check_raw().enforce()
    build()
    for word in (ADA, PHONE, "o1", "o3"):
        assert mentions(connection, word) == []
    increments = marts()
    build(full_refresh=True)
    assert marts() == increments
    with pytest.raises(Exception, match="is no more"):
        erase(ADA, actor="officer", now=NOW)
