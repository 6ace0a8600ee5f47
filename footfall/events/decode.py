"""Turn one Kafka record's value into an Event, or say why it cannot be one.

A JSON object with a text ``type`` is in the native dialect, the Segment Spec's; what another
mapping recognises is mapped to it. Pure: no clock, no database; the same bytes give the same
answer.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from footfall.events.envelope import (
    MAX_NAME,
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
from footfall.events.mapping import EventMapping, Mapped
from footfall.events.mapping_file import shipped_mappings
from footfall.events.native import Refused, event_of, unknown_event

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode


def decode(
    value: bytes | None,
    *,
    received_at: datetime,
    first_day: datetime,
    mappings: Sequence[EventMapping] | None = None,
) -> Event | Reject | list[Event]:
    """Return the event that the value holds, or the reason why it holds none. Never raises.

    A body of several events gives all of them, or else the first reason why one is none.

    Args:
        value: the Kafka record's value; None is a tombstone.
        received_at: the Kafka record's time stamp: an event may lie at most a day after it.
        first_day: an event before it is absurd.
        mappings: the dialects besides the native one; None is those that come with Footfall.
    """
    if value:
        try:
            envelope = read_plain_envelope(value)
            if envelope.type is not None and not needs_close_look(value):
                consent = plain_consent(envelope.context)
                return event_of(envelope, consent, value, received_at, first_day)
        except (*_UNREADABLE, Refused):
            pass
    parsed = parse(value)
    if isinstance(parsed, Reject):
        return parsed
    if isinstance(parsed, dict):
        if isinstance(parsed.get("type"), str):
            return _decode_native(parsed, value or b"", received_at, first_day)
        for mapping in shipped_mappings() if mappings is None else mappings:
            if mapping.recognises(parsed):
                return _decode_mapped(mapping, parsed, value or b"", received_at, first_day)
    return Reject(
        reason=Reason.UNKNOWN_DIALECT,
        detail="no known dialect: a Segment Spec event is a JSON object with a text 'type'",
        customer_ref=sent_ref(parsed),
    )


def _decode_native(
    parsed: dict[str, Any], value: bytes, received_at: datetime, first_day: datetime
) -> Event | Reject:
    """Look closely: ``parsed`` is the whole value."""
    try:
        consent = stated_consent(parsed.get("context"))
        return event_of(read_envelope(value), consent, value, received_at, first_day)
    except msgspec.ValidationError as error:
        return _rejected(Refused(Reason.BAD_FIELD, str(error)), sent_name(parsed), parsed)
    except Refused as refused:
        return _rejected(refused, sent_name(parsed), parsed)


def _decode_mapped(
    mapping: EventMapping,
    parsed: dict[str, Any],
    value: bytes,
    received_at: datetime,
    first_day: datetime,
) -> Event | Reject | list[Event]:
    mapped: Mapped | None = None
    events = []
    try:
        for mapped in mapping.native(parsed):
            if mapped.canonical is None:
                raise unknown_event(mapped.sent_name, mapping.dialect)
            native = _encode(mapped.envelope)
            envelope = read_plain_envelope(native)
            consent = plain_consent(envelope.context)
            events.append(
                event_of(envelope, consent, value, received_at, first_day, mapping.dialect, native)
            )
    except msgspec.ValidationError as error:
        refused = Refused(Reason.BAD_FIELD, f"{error} of the mapped event")
    except Refused as error:
        refused = error
    else:
        return events[0] if len(events) == 1 else events
    if mapped is None:
        return _rejected(refused, None, parsed)
    return _rejected(refused, mapped.sent_name[:MAX_NAME] or None, mapped.envelope)


def _rejected(refused: Refused, name: str | None, envelope: Any) -> Reject:
    return Reject(
        reason=refused.reason,
        detail=refused.detail,
        event_name=name,
        customer_ref=sent_ref(envelope),
    )


def sender_and_time(value: bytes) -> tuple[bytes | None, datetime | None]:
    """Return the Kafka key (userId, else anonymousId) and the time of a value; None: unreadable.

    Of a body of several events it is the first one's.
    """
    try:
        envelope: Any = msgspec.json.decode(value)
    except _UNREADABLE:
        return None, None
    if isinstance(envelope, dict) and not isinstance(envelope.get("type"), str):
        envelope = _first_mapped(envelope)
    if not isinstance(envelope, dict):
        return None, None
    ref = sent_ref(envelope)
    names = ("timestamp", "receivedAt", "sentAt", "originalTimestamp")
    timestamp, *clocks = (
        text if isinstance(text := envelope.get(name), str) else None for name in names
    )
    try:
        at = parse_instant(timestamp) if timestamp else corrected_instant(*clocks)
    except ValueError:
        at = None
    return (ref[2:].encode() if ref else None), at


def _first_mapped(record: dict[str, Any]) -> dict[str, Any]:
    for mapping in shipped_mappings():
        if mapping.recognises(record):
            try:
                return mapping.native(record)[0].envelope
            except Refused:
                return record
    return record
