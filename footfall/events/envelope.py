"""The Segment Spec v2 envelope: its fields, whom it is about, when it happened."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from footfall.events.instants import occurred_at

MAX_ID = 255
MAX_NAME = 255
MAX_AMOUNT = 1e12

# An id may be sent as a number, an amount as text; "" is like null. The warehouse can cast what
# passes.
Id = str | int | float | None
Amount = (
    Annotated[float, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    | Annotated[str, Meta(pattern=r"\A([+-]?[0-9]{1,12}(\.[0-9]{1,30})?)?\Z")]
    | None
)


class Line(msgspec.Struct):
    """A product of an order, cart or list."""

    price: Amount = None
    quantity: Amount = None
    discount: Amount = None
    manufacturer_coupon: Amount = None


class Properties(Line):
    """What an event says about an order, or about the one product that it is about."""

    order_id: Id = None
    revenue: Amount = None
    total: Amount = None
    tax: Amount = None
    shipping: Amount = None
    products: list[Line] | None = None


class Envelope(msgspec.Struct, rename="camel"):
    """The fields that decide whether a value is an event."""

    type: str
    event: str | None = None
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    timestamp: str | None = None
    received_at: str | None = None
    sent_at: str | None = None
    original_timestamp: str | None = None
    context: dict[str, Any] | None = None
    properties: Properties | None = None
    traits: dict[str, Any] | None = None


read_envelope = msgspec.json.Decoder(Envelope).decode


def text_id(value: Id) -> str | None:
    """Return an id as text; None for one that is missing, empty or blank.

    Raises:
        ValueError: the id is longer than 255 characters.

    >>> text_id(123), text_id(123.0), text_id(" ")
    ('123', '123', None)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value)
    if len(text) > MAX_ID:
        raise ValueError(f"an id has {len(text)} characters; at most {MAX_ID}")
    return text if text.strip() else None


def customer_ref(user_id: str | None, anonymous_id: str | None) -> str | None:
    """Return ``u:<user id>``, else ``a:<anonymous id>``, else None."""
    if user_id is not None:
        return f"u:{user_id}"
    return None if anonymous_id is None else f"a:{anonymous_id}"


def sent_name(parsed: dict[str, Any]) -> str | None:
    """Return the name that a value gives its event (a call without name: the kind of call)."""
    name = parsed.get("event") if parsed.get("type") == "track" else parsed.get("type")
    return name.strip()[:MAX_NAME] if isinstance(name, str) else None


def sent_ref(parsed: Any) -> str | None:
    """Return whom any JSON value is about, as far as its ids can be read."""
    if not isinstance(parsed, dict):
        return None
    ids = (parsed.get("userId"), parsed.get("anonymousId"))
    try:
        return customer_ref(*(text_id(i) if type(i) in (str, int, float) else None for i in ids))
    except ValueError:
        return None


def sender_and_time(value: bytes) -> tuple[bytes | None, datetime | None]:
    """Return the Kafka key (userId, else anonymousId) and the time of a value; None: unreadable."""
    try:
        parsed = msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    if not isinstance(parsed, dict):
        return None, None
    ref = sent_ref(parsed)
    names = ("timestamp", "receivedAt", "sentAt", "originalTimestamp")
    stamps = [text if isinstance(text := parsed.get(name), str) else None for name in names]
    try:
        at = occurred_at(*stamps)
    except ValueError:
        at = None
    return (ref[2:].encode() if ref else None), at
