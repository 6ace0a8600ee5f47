"""Turn one Kafka record's value into an Event, or say why it cannot be one.

The envelope is Segment Spec v2's. Pure: no clock, no database; the same bytes give the same answer.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from footfall.events.dialects import Dialect, dialect
from footfall.events.envelope import (
    MAX_NAME,
    Envelope,
    Id,
    customer_ref,
    read_envelope,
    sent_name,
    sent_ref,
    text_id,
)
from footfall.events.event import Event, Reason, Reject
from footfall.events.instants import occurred_at
from footfall.events.json_text import parse

FUTURE_TOLERANCE = timedelta(days=1)
ORDER_EVENTS = frozenset({"purchase", "refund", "cancel"})
PURPOSES = ("Analytics", "Personalization")


class _Refused(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def decode(value: bytes | None, *, received_at: datetime, first_day: datetime) -> Event | Reject:
    """Return the event that the value holds, or the reason why it holds none. Never raises.

    Args:
        value: the Kafka record's value; None is a tombstone.
        received_at: the Kafka record's time stamp: an event may lie at most a day after it.
        first_day: an event before it is absurd.
    """
    parsed = parse(value)
    if isinstance(parsed, Reject):
        return parsed
    if not isinstance(parsed, dict) or not isinstance(parsed.get("type"), str):
        return Reject(
            reason=Reason.UNKNOWN_DIALECT,
            detail="no known dialect: a Segment Spec event is a JSON object with a text 'type'",
            customer_ref=sent_ref(parsed),
        )
    try:
        return _event(value or b"", received_at, first_day)
    except _Refused as refused:
        return Reject(
            reason=refused.reason,
            detail=refused.detail,
            event_name=sent_name(parsed),
            customer_ref=sent_ref(parsed),
        )


def _event(value: bytes, received_at: datetime, first_day: datetime) -> Event:
    try:
        envelope = read_envelope(value)
    except msgspec.ValidationError as error:
        raise _Refused(Reason.BAD_FIELD, str(error)) from None
    mapping = dialect("segment")
    name = _canonical_name(envelope, mapping)
    message_id = _id(envelope.message_id, "messageId")
    user_id = _id(envelope.user_id, "userId")
    anonymous_id = _id(envelope.anonymous_id, "anonymousId")
    ref = customer_ref(user_id, anonymous_id)
    if message_id is None:
        raise _Refused(Reason.MISSING_MESSAGE_ID, "messageId is missing or empty")
    if ref is None:
        raise _Refused(Reason.MISSING_CUSTOMER, "neither userId nor anonymousId is there")
    if name == "alias":
        _check_alias(envelope, user_id)
    if name in ORDER_EVENTS:
        _check_order(envelope)
    return Event(
        message_id=message_id,
        event_name=name,
        customer_ref=ref,
        anonymous_id=anonymous_id,
        user_id=user_id,
        occurred_at=_time(envelope, received_at, first_day),
        received_at=received_at,
        dialect=mapping.name,
        mapping_version=mapping.version,
        allows_profiling=_allows_profiling(envelope.context or {}),
        payload=value,
    )


def _canonical_name(envelope: Envelope, mapping: Dialect) -> str:
    sent = envelope.type if envelope.type != "track" else (envelope.event or "").strip()
    known = mapping.calls.get(sent) if envelope.type != "track" else mapping.canonical(sent)
    if known is None:
        raise _Refused(
            Reason.UNKNOWN_EVENT,
            f"no mapping knows the event {sent[:MAX_NAME]!r}"
            f" ({mapping.name}, version {mapping.version})",
        )
    return known


def _id(value: Id, field: str) -> str | None:
    try:
        return text_id(value)
    except ValueError as error:
        raise _Refused(Reason.BAD_ID, f"{field}: {error}") from None


def _check_alias(envelope: Envelope, user_id: str | None) -> None:
    if user_id is None or _id(envelope.previous_id, "previousId") is None:
        raise _Refused(Reason.MISSING_PREVIOUS_ID, "an alias needs previousId and userId")


def _check_order(envelope: Envelope) -> None:
    order = envelope.properties
    if order is None or _id(order.order_id, "properties.order_id") is None:
        raise _Refused(Reason.MISSING_ORDER_ID, "properties.order_id is missing or empty")


def _time(envelope: Envelope, received_at: datetime, first_day: datetime) -> datetime:
    try:
        at = occurred_at(
            envelope.timestamp,
            envelope.received_at,
            envelope.sent_at,
            envelope.original_timestamp,
        )
    except ValueError as error:
        raise _Refused(Reason.BAD_TIME, str(error)[:MAX_NAME]) from None
    if at is None:
        raise _Refused(
            Reason.MISSING_TIME,
            "neither timestamp nor receivedAt with sentAt and originalTimestamp is there",
        )
    if at < first_day:
        raise _Refused(
            Reason.BEFORE_FIRST_DAY, f"{at.isoformat()} is before {first_day.isoformat()}"
        )
    if at - received_at > FUTURE_TOLERANCE:
        raise _Refused(
            Reason.IN_THE_FUTURE,
            f"{at.isoformat()} is more than a day after its arrival, {received_at.isoformat()}",
        )
    return at


def _allows_profiling(context: dict[str, Any]) -> bool | None:
    """Return what Segment's or RudderStack's consent object says of profiling, None if nothing.

    Profiling needs consent to both purposes; one refusal is enough to refuse.
    """
    consent, management = context.get("consent"), context.get("consentManagement")
    answers: list[Any] = []
    if isinstance(consent, dict) and isinstance(consent.get("categoryPreferences"), dict):
        answers = [consent["categoryPreferences"].get(purpose) for purpose in PURPOSES]
    elif isinstance(management, dict):
        answers = [_managed(management, purpose) for purpose in PURPOSES]
    if any(answer is False for answer in answers):
        return False
    return True if answers and all(answer is True for answer in answers) else None


def _managed(management: dict[str, Any], purpose: str) -> bool | None:
    for verdict, field in ((False, "deniedConsentIds"), (True, "allowedConsentIds")):
        ids = management.get(field)
        if isinstance(ids, list) and purpose in ids:
            return verdict
    return None
