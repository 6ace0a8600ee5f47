"""The Segment Spec v2 envelope: its fields, and whom it is about."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAX_ID = 255
MAX_NAME = 255
MAX_AMOUNT = 1e12
PURPOSES = ("Analytics", "Personalization")

# An id may be sent as a number, an amount as text; "" is like null. The warehouse can cast what
# passes.
Id = str | int | float | None
Amount = (
    Annotated[float, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
    | Annotated[str, Meta(pattern=r"\A([+-]?[0-9]{1,12}(\.[0-9]{1,30})?)?\Z")]
    | None
)

# The structs are made by the hundred thousand and hold no cycles: the garbage collector need not
# know of them. A field that nothing here looks into is not parsed.


class Line(msgspec.Struct, gc=False):
    """A product of an order, cart or list."""

    price: Amount = None
    quantity: Amount = None
    discount: Amount = None
    manufacturer_coupon: Amount = None


class Properties(Line, gc=False):
    """What an event says about an order, or about the one product that it is about."""

    order_id: Id = None
    revenue: Amount = None
    total: Amount = None
    tax: Amount = None
    shipping: Amount = None
    products: list[Line] | None = None


class Preferences(msgspec.Struct, gc=False):
    """Segment's answers to the two purposes that profiling needs."""

    Analytics: bool | None = None
    Personalization: bool | None = None


class Consent(msgspec.Struct, gc=False):
    """Segment's consent object."""

    categoryPreferences: Preferences | None = None


class Management(msgspec.Struct, gc=False):
    """RudderStack's consent object."""

    allowedConsentIds: list[str] | None = None
    deniedConsentIds: list[str] | None = None


class Context(msgspec.Struct, gc=False):
    """What the sender says around an event: here, of consent."""

    consent: Consent | None = None
    consentManagement: Management | None = None


class AnyObject(msgspec.Struct, gc=False):
    """Any JSON object."""


class _Fields(msgspec.Struct, rename="camel", gc=False):
    """The fields that decide whether a value is an event; without a type it is no native one."""

    type: str | None = None
    event: str | None = None
    message_id: Id = None
    user_id: Id = None
    anonymous_id: Id = None
    previous_id: Id = None
    timestamp: str | None = None
    received_at: str | None = None
    sent_at: str | None = None
    original_timestamp: str | None = None
    properties: Properties | None = None
    traits: AnyObject | None = None


class Envelope(_Fields, rename="camel", gc=False):
    """An event in the native shape."""

    context: AnyObject | None = None


class PlainEnvelope(_Fields, rename="camel", gc=False):
    """One that speaks of consent, if at all, as its sender's documentation says."""

    context: Context | None = None


read_envelope = msgspec.json.Decoder(Envelope).decode
read_plain_envelope = msgspec.json.Decoder(PlainEnvelope).decode


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


def plain_consent(context: Context | None) -> bool | None:
    """Return what ``stated_consent`` returns, of a context that was read as ``Context``."""
    if context is None:
        return None
    if context.consent is not None and (preferences := context.consent.categoryPreferences):
        return _both(preferences.Analytics, preferences.Personalization)
    if context.consentManagement is None:
        return None
    denied = context.consentManagement.deniedConsentIds or ()
    allowed = context.consentManagement.allowedConsentIds or ()
    return _both(
        *(False if purpose in denied else purpose in allowed or None for purpose in PURPOSES)
    )


def stated_consent(context: Any) -> bool | None:
    """Return what Segment's or RudderStack's consent object says of profiling, None if nothing."""
    consent, management = _object(context, "consent"), _object(context, "consentManagement")
    preferences = _object(consent, "categoryPreferences")
    if preferences is not None:
        return _both(*(preferences.get(purpose) for purpose in PURPOSES))
    if management is not None:
        return _both(*(_managed(management, purpose) for purpose in PURPOSES))
    return None


def _both(analytics: Any, personalization: Any) -> bool | None:
    """Profiling needs consent to both purposes; one refusal is enough to refuse."""
    if analytics is True and personalization is True:
        return True
    return False if analytics is False or personalization is False else None


def _object(parent: Any, name: str) -> dict[str, Any] | None:
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else None


def _managed(management: dict[str, Any], purpose: str) -> bool | None:
    for verdict, field in ((False, "deniedConsentIds"), (True, "allowedConsentIds")):
        ids = management.get(field)
        if isinstance(ids, list) and purpose in ids:
            return verdict
    return None
