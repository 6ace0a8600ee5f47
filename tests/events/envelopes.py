"""Builders of Segment Spec envelopes: a test says what matters to it, these fill in the rest."""

from datetime import UTC, datetime
from typing import Any

import msgspec

NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def envelope(**fields: Any) -> dict[str, Any]:
    """Return a valid page view; ``fields`` replace its own, None removes one."""
    whole = {
        "type": "page",
        "messageId": "m-1",
        "userId": "ann",
        "timestamp": "2017-06-01T12:00:00Z",
    } | fields
    return {name: value for name, value in whole.items() if value is not None}


def track(event: str, properties: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return a valid track call."""
    return envelope(type="track", event=event, properties=properties or {}, **fields)


def order(order_id: str = "o-1", **fields: Any) -> dict[str, Any]:
    """Return an order of one product."""
    line = {"product_id": "p-1", "quantity": 2, "price": 1.5}
    properties = {"order_id": order_id, "currency": "USD", "total": 3.0, "products": [line]}
    return track("Order Completed", properties, messageId=f"m-{order_id}", **fields)


def ga4_body(*names: str, at: datetime = NOON, **fields: Any) -> dict[str, Any]:
    """Return the body of a GA4 Measurement Protocol request: one event of each name."""
    events = [{"name": name, "params": {"n": number}} for number, name in enumerate(names)]
    micros = int(at.timestamp()) * 1_000_000
    return {"client_id": "c.1", "timestamp_micros": micros, "events": events} | fields


def encode(value: Any) -> bytes:
    """Return the bytes that Kafka carries."""
    return msgspec.json.encode(value)
