"""What an event is, what a rejected record is, and why records are rejected."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Reason(StrEnum):
    """Why a record was set aside. The values are what ``raw.rejected_events.reason`` holds."""

    NULL_VALUE = "null_value"
    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    NUL_CHARACTER = "nul_character"
    TOO_DEEP = "too_deep"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    UNKNOWN_DIALECT = "unknown_dialect"
    UNKNOWN_EVENT = "unknown_event"
    MISSING_MESSAGE_ID = "missing_message_id"
    MISSING_CUSTOMER = "missing_customer"
    MISSING_PREVIOUS_ID = "missing_previous_id"
    MISSING_ORDER_ID = "missing_order_id"
    MISSING_PRODUCT_ID = "missing_product_id"
    MISSING_TIME = "missing_time"
    BAD_ID = "bad_id"
    BAD_KEY = "bad_key"
    BAD_TIME = "bad_time"
    BAD_FIELD = "bad_field"
    IN_THE_FUTURE = "in_the_future"
    BEFORE_FIRST_DAY = "before_first_day"
    NOT_STORABLE = "not_storable"
    ERASED = "erased"


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One valid event, as the table ``raw.events`` keeps it.

    ``allows_profiling`` is what this one event says of consent; None when it says nothing.
    ``payload`` is the record's value, byte for byte; Postgres accepts it as jsonb. ``mapped`` is
    the same event in the native dialect, as JSON, where the payload is in another; else None.
    """

    message_id: str
    event_name: str
    customer_ref: str
    anonymous_id: str | None
    user_id: str | None
    occurred_at: datetime
    received_at: datetime
    dialect: str
    mapping_version: int
    allows_profiling: bool | None
    payload: bytes
    mapped: bytes | None = None


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """One record that cannot be an event, with the reason.

    ``event_name`` is the name that the sender gave, where one could be read. ``customer_ref`` is
    whom the record is about, where that could be read: the bytes of an erased customer are not
    kept.
    """

    reason: Reason
    detail: str
    event_name: str | None = None
    customer_ref: str | None = None


class Message(NamedTuple):
    """One record that a source wants sent: key and value as bytes.

    ``occurred_at`` is None where the value tells no time. A ``catalog`` message is a fact about a
    product (its value None: a tombstone) and goes to the topic of FOOTFALL_CATALOG_TOPIC.
    """

    key: bytes | None
    value: bytes | None
    occurred_at: datetime | None
    catalog: bool = False
