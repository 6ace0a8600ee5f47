"""Turn one Kafka record's value into an Event, or say why it cannot be one.

Pure: no clock, no database; the same bytes give the same answer.
"""

from datetime import datetime
from typing import Any

import msgspec

from footfall.events.envelope import (
    plain_consent,
    read_envelope,
    read_plain_envelope,
    sent_name,
    sent_ref,
    stated_consent,
)
from footfall.events.event import Event, Reason, Reject
from footfall.events.instants import corrected_instant, parse_instant
from footfall.events.json_text import needs_close_look, parse
from footfall.events.native import Refused, event_of

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode(value: bytes | None, *, received_at: datetime, first_day: datetime) -> Event | Reject:
    """Return the event that the value holds, or the reason why it holds none. Never raises.

    Args:
        value: the Kafka record's value; None is a tombstone.
        received_at: the Kafka record's time stamp: an event may lie at most a day after it.
        first_day: an event before it is absurd.
    """
    if value:
        try:
            envelope = read_plain_envelope(value)
            if envelope.type is not None and not needs_close_look(value):
                consent = plain_consent(envelope.context)
                return event_of(envelope, consent, value, received_at, first_day)
        except (*_UNREADABLE, Refused):
            pass
    return _decode_closely(value, received_at, first_day)


def _decode_closely(
    value: bytes | None, received_at: datetime, first_day: datetime
) -> Event | Reject:
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
        value = value or b""
        consent = stated_consent(parsed.get("context"))
        return event_of(read_envelope(value), consent, value, received_at, first_day)
    except msgspec.ValidationError as error:
        refused = Refused(Reason.BAD_FIELD, str(error))
    except Refused as error:
        refused = error
    return Reject(
        reason=refused.reason,
        detail=refused.detail,
        event_name=sent_name(parsed),
        customer_ref=sent_ref(parsed),
    )


def sender_and_time(value: bytes) -> tuple[bytes | None, datetime | None]:
    """Return the Kafka key (userId, else anonymousId) and the time of a value; None: unreadable."""
    try:
        parsed: Any = msgspec.json.decode(value)
    except _UNREADABLE:
        return None, None
    if not isinstance(parsed, dict):
        return None, None
    ref = sent_ref(parsed)
    names = ("timestamp", "receivedAt", "sentAt", "originalTimestamp")
    timestamp, *clocks = (
        text if isinstance(text := parsed.get(name), str) else None for name in names
    )
    try:
        at = parse_instant(timestamp) if timestamp else corrected_instant(*clocks)
    except ValueError:
        at = None
    return (ref[2:].encode() if ref else None), at
