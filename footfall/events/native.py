"""Validate an event in the native shape, the Segment Spec v2 envelope.

Events of other dialects come here too, once they are mapped: what is an event is said once.
"""

from datetime import datetime, timedelta

from footfall.events.dialects import Dialect, dialect
from footfall.events.envelope import (
    MAX_ID,
    MAX_NAME,
    Envelope,
    Id,
    PlainEnvelope,
    text_id,
)
from footfall.events.event import Event, Reason
from footfall.events.instants import corrected_instant, parse_instant

FUTURE_TOLERANCE = timedelta(days=1)
ORDER_EVENTS = frozenset({"purchase", "refund", "cancel"})
SEGMENT = dialect("segment")

# How the native dialect says each canonical event.
NATIVE_CALLS: dict[str, dict[str, str]] = {
    canonical: {"type": "track", "event": name}
    for name, canonical in reversed(SEGMENT.events.items())
} | {canonical: {"type": call} for call, canonical in reversed(SEGMENT.calls.items())}


class Refused(Exception):
    """An envelope is no event, for this reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def event_of(
    envelope: Envelope | PlainEnvelope,
    consent: bool | None,
    value: bytes,
    received_at: datetime,
    first_day: datetime,
    source: Dialect = SEGMENT,
    mapped: bytes | None = None,
) -> Event:
    """Return the event that an envelope holds.

    Args:
        envelope: read from ``mapped``, or else from ``value``.
        consent: what it says of profiling.
        value: the record's value, as it was sent.
        received_at: the record's time stamp: an event may lie at most a day after it.
        first_day: an event before it is absurd.
        source: the dialect of ``value``.
        mapped: the event in the native shape, where ``value`` is in another.

    Raises:
        Refused: the envelope is no event.
    """
    name = _canonical_name(envelope)
    message_id = _id(envelope.message_id, "messageId")
    user_id = _id(envelope.user_id, "userId")
    anonymous_id = _id(envelope.anonymous_id, "anonymousId")
    if message_id is None:
        raise Refused(Reason.MISSING_MESSAGE_ID, "messageId is missing or empty")
    if user_id is not None:
        ref = f"u:{user_id}"
    elif anonymous_id is not None:
        ref = f"a:{anonymous_id}"
    else:
        raise Refused(Reason.MISSING_CUSTOMER, "neither userId nor anonymousId is there")
    if name == "alias":
        _check_alias(envelope, user_id)
    elif name in ORDER_EVENTS:
        _check_order(envelope)
    return Event(
        message_id=message_id,
        event_name=name,
        customer_ref=ref,
        anonymous_id=anonymous_id,
        user_id=user_id,
        occurred_at=_time(envelope, received_at, first_day),
        received_at=received_at,
        dialect=source.name,
        mapping_version=source.version,
        allows_profiling=consent,
        payload=value,
        mapped=mapped,
    )


def _canonical_name(envelope: Envelope | PlainEnvelope) -> str:
    if envelope.type == "track":
        sent = envelope.event or ""
        known = SEGMENT.events.get(sent) or SEGMENT.canonical(sent.strip())
    else:
        sent = envelope.type or ""
        known = SEGMENT.calls.get(sent)
    if known is None:
        raise unknown_event(sent.strip(), SEGMENT)
    return known


def unknown_event(name: str, source: Dialect) -> Refused:
    """Return the refusal of an event that a dialect has no name for."""
    return Refused(
        Reason.UNKNOWN_EVENT,
        f"no mapping knows the event {name[:MAX_NAME]!r} ({source.name}, version {source.version})",
    )


def _id(value: Id, field: str) -> str | None:
    if type(value) is str and len(value) <= MAX_ID and value and not value.isspace():
        return value
    try:
        return text_id(value)
    except ValueError as error:
        raise Refused(Reason.BAD_ID, f"{field}: {error}") from None


def _check_alias(envelope: Envelope | PlainEnvelope, user_id: str | None) -> None:
    if user_id is None or _id(envelope.previous_id, "previousId") is None:
        raise Refused(Reason.MISSING_PREVIOUS_ID, "an alias needs previousId and userId")


def _check_order(envelope: Envelope | PlainEnvelope) -> None:
    order = envelope.properties
    if order is None or _id(order.order_id, "properties.order_id") is None:
        raise Refused(Reason.MISSING_ORDER_ID, "properties.order_id is missing or empty")


def _time(
    envelope: Envelope | PlainEnvelope, received_at: datetime, first_day: datetime
) -> datetime:
    try:
        at = (
            parse_instant(envelope.timestamp)
            if envelope.timestamp
            else corrected_instant(
                envelope.received_at, envelope.sent_at, envelope.original_timestamp
            )
        )
    except ValueError as error:
        raise Refused(Reason.BAD_TIME, str(error)[:MAX_NAME]) from None
    if at is None:
        raise Refused(
            Reason.MISSING_TIME,
            "neither timestamp nor receivedAt with sentAt and originalTimestamp is there",
        )
    if at < first_day:
        raise Refused(
            Reason.BEFORE_FIRST_DAY, f"{at.isoformat()} is before {first_day.isoformat()}"
        )
    if at > received_at and at - received_at > FUTURE_TOLERANCE:
        raise Refused(
            Reason.IN_THE_FUTURE,
            f"{at.isoformat()} is more than a day after its arrival, {received_at.isoformat()}",
        )
    return at
