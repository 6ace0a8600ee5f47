"""What is an event, what is set aside, and why."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from footfall.events.decode import decode
from footfall.events.envelope import PURPOSES, stated_consent
from footfall.events.event import Event, Reason, Reject
from tests.events.envelopes import FIRST_DAY, NOON, encode, envelope, order, track

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
field_names = st.sampled_from(
    ["type", "event", "messageId", "userId", "anonymousId", "previousId", "timestamp"]
    + ["receivedAt", "sentAt", "originalTimestamp", "context", "properties", "traits"]
)


def read(value: bytes | None) -> Event | Reject:
    result = decode(value, received_at=NOON, first_day=FIRST_DAY)
    assert not isinstance(result, list)
    return result


def accepted(value: Any) -> Event:
    result = read(encode(value))
    assert isinstance(result, Event), result
    return result


def reason(value: Any) -> Reason:
    result = read(value if isinstance(value, bytes) else encode(value))
    assert isinstance(result, Reject), result
    return result.reason


@given(st.binary())
@example(b"\xff{}")
@example(b"[" * 100_000)
@example(b'{"type":"page","x":' + b"9" * 5000 + b"}")
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(read(value), Event | Reject)


@given(st.dictionaries(field_names, json_values))
def test_no_fields_raise(fields: dict[str, Any]) -> None:
    assert isinstance(read(encode(envelope(**fields))), Event | Reject)


@given(value=st.binary() | st.dictionaries(field_names, json_values).map(encode))
def test_the_same_bytes_give_the_same_answer(value: bytes) -> None:
    assert read(value) == read(value)


@given(
    st.text(min_size=1, max_size=255).filter(lambda text: text.strip() and "\0" not in text),
    st.datetimes(min_value=FIRST_DAY.replace(tzinfo=None), max_value=NOON.replace(tzinfo=None)),
)
def test_a_valid_event_is_accepted_as_it_was_sent(text: str, moment: Any) -> None:
    value = encode(envelope(messageId=text, userId=text, timestamp=moment.isoformat() + "Z"))
    event = read(value)
    assert isinstance(event, Event)
    assert (event.message_id, event.customer_ref) == (text, f"u:{text}")
    assert event.occurred_at.replace(tzinfo=None) == moment
    assert event.payload == value


@pytest.mark.parametrize(
    "name", ["Order Completed", "order_completed", "ORDER-COMPLETED", " Completed Order "]
)
def test_a_name_is_known_however_it_is_spelt(name: str) -> None:
    assert accepted(track(name, {"order_id": "1"})).event_name == "purchase"


def test_an_unknown_event_is_set_aside_with_its_name() -> None:
    result = read(encode(track("Warp Drive Engaged")))
    assert isinstance(result, Reject)
    assert (result.reason, result.event_name) == (Reason.UNKNOWN_EVENT, "Warp Drive Engaged")
    assert result.customer_ref == "u:ann"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Reason.NULL_VALUE),
        (b"", Reason.EMPTY_VALUE),
        (b" ", Reason.MALFORMED_JSON),
        (b"{", Reason.MALFORMED_JSON),
        (b'{"type":"page"} {}', Reason.MALFORMED_JSON),
        (b'{"type":NaN}', Reason.MALFORMED_JSON),
        (b'{"type":"page","x":"\xff"}', Reason.INVALID_UTF8),
        (b'{"type":"page","x":"\\u0000"}', Reason.NUL_CHARACTER),
        (b'{"type":"page","\\u0000":1}', Reason.NUL_CHARACTER),
        (b'{"type":"page","x":"\\u0000","x":1}', Reason.NUL_CHARACTER),
        (b'{"type":"page","x":"\\\\\\u0000"}', Reason.NUL_CHARACTER),
        (b'{"type":"page","x":1e999}', Reason.NUMBER_OUT_OF_RANGE),
        (b'{"type":"page","x":1e-20000}', Reason.NUMBER_OUT_OF_RANGE),
        (b'{"type":"page","x":0e99999999999}', Reason.NUMBER_OUT_OF_RANGE),
        (b'{"type":"page","x":0.' + b"0" * 20_000 + b"1}", Reason.NUMBER_OUT_OF_RANGE),
        (b'{"type":"page","x":' + b"9" * 5_000 + b"}", Reason.NUMBER_OUT_OF_RANGE),
        (b'{"type":"page","x":' + b"[" * 65 + b"]" * 65 + b"}", Reason.TOO_DEEP),
        (b"[" * 5_000 + b"]" * 5_000, Reason.TOO_DEEP),
        (b'{"x":"' + b"x" * 600_000 + b'"}', Reason.TOO_LARGE),
        (b"[]", Reason.UNKNOWN_DIALECT),
        (b"7", Reason.UNKNOWN_DIALECT),
        (b"{}", Reason.UNKNOWN_DIALECT),
    ],
)
def test_what_postgres_or_nobody_can_read_is_set_aside(
    value: bytes | None, expected: Reason
) -> None:
    result = read(value)
    assert isinstance(result, Reject)
    assert result.reason == expected
    assert result.detail


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (envelope(type="delete"), Reason.UNKNOWN_EVENT),
        (envelope(type="track"), Reason.UNKNOWN_EVENT),
        (envelope(messageId=None), Reason.MISSING_MESSAGE_ID),
        (envelope(messageId="  "), Reason.MISSING_MESSAGE_ID),
        (envelope(messageId="x" * 256), Reason.BAD_ID),
        (envelope(userId="x" * 256), Reason.BAD_ID),
        (envelope(userId=""), Reason.MISSING_CUSTOMER),
        (envelope(userId=True), Reason.BAD_FIELD),
        (envelope(timestamp=None), Reason.MISSING_TIME),
        (envelope(timestamp=None, sentAt="2017-06-01"), Reason.MISSING_TIME),
        (envelope(timestamp="noon"), Reason.BAD_TIME),
        (envelope(timestamp="0001-01-01T00:00:00+14:00"), Reason.BAD_TIME),
        (envelope(timestamp=1496318400000), Reason.BAD_FIELD),
        (envelope(timestamp="1999-12-31T23:59:59Z"), Reason.BEFORE_FIRST_DAY),
        (envelope(timestamp="2017-06-02T12:00:01Z"), Reason.IN_THE_FUTURE),
        (envelope(properties=[]), Reason.BAD_FIELD),
        (envelope(context="web"), Reason.BAD_FIELD),
        (envelope(type="alias"), Reason.MISSING_PREVIOUS_ID),
        (envelope(type="alias", previousId=""), Reason.MISSING_PREVIOUS_ID),
        (track("Order Completed"), Reason.MISSING_ORDER_ID),
        (track("Order Refunded", {"order_id": " "}), Reason.MISSING_ORDER_ID),
        (track("Order Completed", {"order_id": "1", "products": {}}), Reason.BAD_FIELD),
        (track("Order Completed", {"order_id": "1", "products": ["p"]}), Reason.BAD_FIELD),
        (track("Product Added", {"price": "19,99 €"}), Reason.BAD_FIELD),
        (track("Product Added", {"price": "NaN"}), Reason.BAD_FIELD),
        (track("Product Added", {"price": "1\n"}), Reason.BAD_FIELD),
        (track("Product Added", {"quantity": True}), Reason.BAD_FIELD),
        (track("Product Added", {"quantity": 1e13}), Reason.BAD_FIELD),
    ],
)
def test_what_the_warehouse_could_not_read_is_set_aside(
    value: dict[str, Any], expected: Reason
) -> None:
    assert reason(value) == expected


@pytest.mark.parametrize("price", [1, 1.5, -3, "19.99", "-2", "", None, 0, 1e12])
def test_an_amount_may_be_a_number_its_text_or_nothing(price: Any) -> None:
    accepted(track("Product Added", {"price": price, "products": [{"price": price}]}))


def test_a_text_that_only_looks_like_the_nul_escape_is_accepted() -> None:
    accepted(envelope(traits={"path": "\\u0000"}))


def test_sixty_four_levels_are_accepted() -> None:
    nested: Any = 1
    for _ in range(62):
        nested = [nested]
    accepted(envelope(traits={"nested": nested}))


def test_the_last_of_equal_keys_counts() -> None:
    value = encode(envelope()).replace(b'{"type"', b'{"userId":"bob","type"')
    event = read(value)
    assert isinstance(event, Event)
    assert event.user_id == "ann"


@pytest.mark.parametrize(("sent", "text"), [(123, "123"), (123.0, "123"), (1.5, "1.5")])
def test_an_id_sent_as_a_number_is_text(sent: float, text: str) -> None:
    event = accepted(envelope(userId=sent, anonymousId=sent, messageId=sent))
    assert (event.user_id, event.anonymous_id, event.message_id) == (text, text, text)


def test_a_customer_is_the_user_else_the_anonymous_id() -> None:
    assert accepted(envelope(anonymousId="a-1")).customer_ref == "u:ann"
    assert accepted(envelope(userId=None, anonymousId="a-1")).customer_ref == "a:a-1"
    assert accepted(envelope(userId="", anonymousId="a-1")).customer_ref == "a:a-1"


@pytest.mark.parametrize(
    "timestamp",
    ["2017-06-01T12:00:00Z", "2017-06-01T14:00:00+02:00", "2017-06-01 12:00", "20170601T120000Z"],
)
def test_an_instant_without_a_zone_is_utc(timestamp: str) -> None:
    assert accepted(envelope(timestamp=timestamp)).occurred_at == NOON


def test_without_a_timestamp_the_error_of_the_devices_clock_is_taken_out() -> None:
    event = accepted(
        envelope(
            timestamp=None,
            receivedAt="2017-06-01T12:00:05Z",
            sentAt="2031-01-01T00:00:10Z",
            originalTimestamp="2031-01-01T00:00:05Z",
        )
    )
    assert event.occurred_at == NOON


@given(st.timedeltas(min_value=timedelta(days=-6000), max_value=timedelta(days=400)))
def test_an_event_may_lie_a_day_ahead_and_back_to_the_first_day(lead: timedelta) -> None:
    result = read(encode(envelope(timestamp=(NOON + lead).isoformat())))
    assert isinstance(result, Event) == (lead <= timedelta(days=1))


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({}, None),
        ({"consent": {"categoryPreferences": {"Analytics": True, "Personalization": True}}}, True),
        (
            {"consent": {"categoryPreferences": {"Analytics": True, "Personalization": False}}},
            False,
        ),
        ({"consent": {"categoryPreferences": {"Analytics": False}}}, False),
        ({"consent": {"categoryPreferences": {"Analytics": True}}}, None),
        ({"consent": {"categoryPreferences": {"Analytics": 1, "Personalization": "true"}}}, None),
        ({"consent": {"categoryPreferences": []}}, None),
        ({"consent": "yes"}, None),
        ({"consentManagement": {"allowedConsentIds": ["Analytics", "Personalization"]}}, True),
        ({"consentManagement": {"deniedConsentIds": ["Analytics"]}}, False),
        ({"consentManagement": {"allowedConsentIds": {"Analytics": True}}}, None),
    ],
)
def test_only_an_explicit_yes_to_both_purposes_allows_profiling(
    context: dict[str, Any], allowed: bool | None
) -> None:
    assert accepted(envelope(context=context)).allows_profiling is allowed


# As a sender's documentation has it, and in every other way.
answers = st.sampled_from([True, False, None, 1, "true", [], {}])
preferences = st.dictionaries(st.sampled_from([*PURPOSES, "Advertising"]), answers)
consents = st.none() | st.fixed_dictionaries({}, optional={"categoryPreferences": preferences})
ids = st.lists(st.sampled_from([*PURPOSES, "C0001"])) | answers
managements = st.none() | st.fixed_dictionaries(
    {}, optional={"allowedConsentIds": ids, "deniedConsentIds": ids}
)


@given(st.fixed_dictionaries({}, optional={"consent": consents, "consentManagement": managements}))
def test_consent_is_read_alike_however_it_is_read(context: dict[str, Any]) -> None:
    assert accepted(envelope(context=context)).allows_profiling is stated_consent(context)


def test_a_rejected_record_still_tells_whom_it_is_about() -> None:
    for value in (envelope(type=None), envelope(properties=1), envelope(timestamp="noon")):
        result = read(encode(value))
        assert isinstance(result, Reject)
        assert result.customer_ref == "u:ann"


def test_an_order_keeps_its_bytes() -> None:
    value = encode(order())
    event = read(value)
    assert isinstance(event, Event)
    assert (event.event_name, event.dialect, event.payload) == ("purchase", "segment", value)
