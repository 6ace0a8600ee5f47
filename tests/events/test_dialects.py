"""Every dialect's events become events in the native shape, by mapping files alone."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from footfall.events.decode import decode, sender_and_time
from footfall.events.event import Event, Reason, Reject
from footfall.events.mapping_file import read_mappings, shipped_mappings
from tests.events.envelopes import FIRST_DAY, NOON, encode

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime.fromisoformat("2024-06-01T00:00:00Z")
FIXTURES = [
    pytest.param(path.stem, line, id=f"{path.stem}-{number}")
    for path in sorted(GOLDEN.glob("*.jsonl"))
    for number, line in enumerate(path.read_bytes().splitlines(), 1)
]
# What the table of docs/events.md says that a dialect cannot say.
UNSAYABLE = {
    "ga4_bigquery": {"cancel", "coupon_applied", "review", "email_open", "email_click"}
    | {"consent", "alias", "group"},
    "snowplow": {"cart_view", "wishlist_add", "cancel", "coupon_applied", "review"}
    | {"email_open", "email_click", "identify", "alias", "group"},
}
UNSAYABLE["ga4_measurement_protocol"] = UNSAYABLE["ga4_bigquery"]


def read(value: Any, **options: Any) -> Event | Reject | list[Event]:
    return decode(encode(value), received_at=NOW, first_day=FIRST_DAY, **options)


def accepted(value: Any) -> Event:
    event = read(value)
    assert isinstance(event, Event), event
    return event


def refused(value: Any) -> Reject:
    reject = read(value)
    assert isinstance(reject, Reject), reject
    return reject


def sent(dialect: str, canonical: str) -> Any:
    """Return the golden record of an event."""
    lines = map(msgspec.json.decode, (GOLDEN / f"{dialect}.jsonl").read_bytes().splitlines())
    return next(line["sent"] for line in lines if line["canonical"] == canonical)


def native(event: Event) -> Any:
    assert event.mapped is not None
    return msgspec.json.decode(event.mapped)


@pytest.mark.parametrize(("dialect", "line"), FIXTURES)
def test_golden_events_keep_their_canonical_names(dialect: str, line: bytes) -> None:
    fixture = msgspec.json.decode(line)
    event = accepted(fixture["sent"])
    assert event.event_name == fixture["canonical"]
    assert event.dialect == ("segment" if dialect == "rudderstack" else dialect)
    assert event.payload == encode(fixture["sent"])


@pytest.mark.parametrize("mapping", shipped_mappings(), ids=lambda mapping: mapping.dialect.name)
def test_each_dialect_has_a_golden_event_of_all_that_it_can_say(mapping: Any) -> None:
    name = mapping.dialect.name
    lines = (GOLDEN / f"{name}.jsonl").read_bytes().splitlines()
    said = {canonical for meanings in mapping.events.values() for canonical, _ in meanings}
    assert {msgspec.json.decode(line)["canonical"] for line in lines} == said
    everything = (GOLDEN / "segment.jsonl").read_bytes().splitlines()
    names = {msgspec.json.decode(line)["canonical"] for line in everything}
    assert names - said == UNSAYABLE[name]


@pytest.mark.parametrize(("dialect", "line"), FIXTURES)
def test_a_mapped_event_read_again_is_the_same_event(dialect: str, line: bytes) -> None:
    event = accepted(msgspec.json.decode(line)["sent"])
    if event.mapped is None:
        assert event.dialect == "segment"
        return
    again = decode(event.mapped, received_at=NOW, first_day=FIRST_DAY)
    assert isinstance(again, Event)
    for name in ("message_id", "event_name", "customer_ref", "occurred_at", "allows_profiling"):
        assert getattr(again, name) == getattr(event, name)


DEVICES = {
    "ga4_bigquery": "desktop",
    "ga4_measurement_protocol": "mobile",
    "snowplow": "Phone",
}


@pytest.mark.parametrize("dialect", DEVICES)
def test_a_page_view_tells_what_led_to_it_and_on_which_device(dialect: str) -> None:
    context = native(accepted(sent(dialect, "page_view")))["context"]
    assert context["page"]["url"].startswith("https://shop.example/?utm_source=newsletter")
    assert context["page"]["referrer"] == "https://www.mail.example/inbox"
    assert context["campaign"] == {"source": "newsletter", "medium": "email", "name": "spring"}
    assert context["device"]["type"] == DEVICES[dialect]
    assert ("userAgent" in context) is (dialect != "ga4_bigquery")  # the export has none


def test_what_once_brought_a_user_is_not_what_brought_this_visit() -> None:
    record = sent("ga4_bigquery", "search")
    assert record["traffic_source"]
    assert "campaign" not in native(accepted(record))["context"]


def test_a_body_of_several_events_gives_all_of_them() -> None:
    body = sent("ga4_measurement_protocol", "page_view")
    one = body["events"][0]
    events = read(body | {"events": [one, one, one | {"name": "view_cart"}]})
    assert isinstance(events, list)
    assert [event.event_name for event in events] == ["page_view", "page_view", "cart_view"]
    assert len({event.message_id for event in events}) == 3


def test_one_bad_event_sets_the_whole_body_aside() -> None:
    body = sent("ga4_measurement_protocol", "page_view")
    one = body["events"][0]
    reject = refused(body | {"events": [one, one | {"name": "warp"}, one]})
    assert (reject.reason, reject.event_name) == (Reason.UNKNOWN_EVENT, "warp")
    assert reject.customer_ref == "u:900"
    assert refused(body | {"events": []}).reason == Reason.BAD_FIELD
    assert refused(body | {"events": [1]}).reason == Reason.UNKNOWN_EVENT
    assert refused(body | {"events": [one] * 26}).reason == Reason.TOO_LARGE


@pytest.mark.parametrize("dialect", ["ga4_measurement_protocol", "ga4_bigquery"])
def test_a_ga4_event_sent_twice_is_one_event(dialect: str) -> None:
    record = sent(dialect, "product_view")
    first, again = accepted(record), accepted(dict(reversed(record.items())))
    assert first.message_id == again.message_id
    assert first.message_id.startswith("ga4:")
    assert accepted(sent(dialect, "add_to_cart")).message_id != first.message_id


def test_the_order_of_ga4s_parameters_does_not_matter() -> None:
    row = sent("ga4_bigquery", "search")
    turned = row | {"event_params": row["event_params"][::-1]}
    as_number = row | {"event_timestamp": int(row["event_timestamp"])}
    assert {accepted(one).message_id for one in (row, turned, as_number)} == {
        accepted(row).message_id
    }


def test_a_ga4_purchase_is_one_event_however_it_comes() -> None:
    ids = {
        accepted(sent(dialect, "purchase")).message_id
        for dialect in ("ga4_measurement_protocol", "ga4_bigquery")
    }
    assert ids == {"ga4:purchase:o-1001"}


@pytest.mark.parametrize("dialect", ["ga4_measurement_protocol", "ga4_bigquery"])
def test_a_ga4_price_is_raised_to_what_it_was_before_the_discount(dialect: str) -> None:
    first, second = native(accepted(sent(dialect, "purchase")))["properties"]["products"]
    assert (first["price"], first["quantity"], first["discount"]) == (20.0, 2, 4.0)
    assert (second["price"], second["quantity"]) == (15.5, 1)
    assert "discount" not in second


def test_what_ga4_calls_not_set_is_not_said() -> None:
    row = sent("ga4_bigquery", "page_view") | {"user_id": "(not set)"}
    event = accepted(row)
    assert event.user_id is None
    assert b"(not set)" not in (event.mapped or b"")


@pytest.mark.parametrize(
    ("dialect", "changes", "reason"),
    [
        ("ga4_measurement_protocol", {"timestamp_micros": None}, Reason.MISSING_TIME),
        ("ga4_measurement_protocol", {"timestamp_micros": "noon"}, Reason.BAD_TIME),
        ("ga4_measurement_protocol", {"timestamp_micros": 1e30}, Reason.BAD_TIME),
        ("ga4_measurement_protocol", {"timestamp_micros": True}, Reason.BAD_FIELD),
        ("ga4_measurement_protocol", {"timestamp_micros": 1}, Reason.BEFORE_FIRST_DAY),
        ("ga4_measurement_protocol", {"client_id": None, "user_id": ""}, Reason.MISSING_CUSTOMER),
        ("ga4_measurement_protocol", {"client_id": "x" * 256}, Reason.BAD_ID),
        ("ga4_measurement_protocol", {"user_id": {}}, Reason.BAD_FIELD),
        ("ga4_bigquery", {"event_timestamp": "4102444800000000"}, Reason.IN_THE_FUTURE),
        ("ga4_bigquery", {"items": [{"price": "9,99 €"}]}, Reason.BAD_FIELD),
        ("ga4_bigquery", {"items": ["SKU-1"]}, Reason.BAD_FIELD),
        ("ga4_bigquery", {"event_name": "tasting"}, Reason.UNKNOWN_EVENT),
        ("snowplow", {"derived_tstamp": "yesterday"}, Reason.BAD_TIME),
        ("snowplow", {"event_id": ""}, Reason.MISSING_MESSAGE_ID),
        (
            "snowplow",
            {"domain_userid": None, "network_userid": None, "user_id": None},
            Reason.MISSING_CUSTOMER,
        ),
    ],
)
def test_a_mapped_event_passes_the_same_validation_as_a_native_one(
    dialect: str, changes: dict[str, Any], reason: Reason
) -> None:
    assert refused(sent(dialect, "product_view") | changes).reason == reason


def test_a_purchase_without_a_transaction_id_is_no_order() -> None:
    body = sent("ga4_measurement_protocol", "purchase")
    del body["events"][0]["params"]["transaction_id"]
    assert refused(body).reason == Reason.MISSING_ORDER_ID


@pytest.mark.parametrize(
    ("analytics", "personalization", "allowed"),
    [("Yes", "Yes", True), ("Yes", "No", False), ("Yes", None, None), (None, None, None)],
)
def test_ga4_rows_speak_of_consent(
    analytics: str | None, personalization: str | None, allowed: bool | None
) -> None:
    privacy = {"analytics_storage": analytics, "ads_storage": personalization}
    row = sent("ga4_bigquery", "page_view") | {"privacy_info": privacy}
    assert accepted(row).allows_profiling is allowed


@pytest.mark.parametrize(
    ("decision", "scopes", "allowed"),
    [
        ("allow_all", [], True),
        ("allow_selected", ["analytics", "personalization"], True),
        ("allow_selected", ["analytics"], False),
        ("deny_all", ["analytics", "personalization"], False),
        ("withdrawn", [], False),
        ("expired", [], False),
        ("pending", ["analytics", "personalization"], None),
        ("implicit_consent", ["analytics", "personalization"], None),
    ],
)
def test_snowplow_speaks_of_consent_when_somebody_decides(
    decision: str, scopes: list[str], allowed: bool | None
) -> None:
    record = sent("snowplow", "consent")
    name = "unstruct_event_com_snowplowanalytics_snowplow_consent_preferences_1"
    record[name] |= {"eventType": decision, "consentScopes": scopes}
    assert accepted(record).allows_profiling is allowed


def test_a_checkout_step_is_a_start_a_payment_or_a_step() -> None:
    record = sent("snowplow", "checkout_step")
    name = "contexts_com_snowplowanalytics_snowplow_ecommerce_checkout_step_1"
    for step, canonical in (
        ({"step": 1}, "checkout_start"),
        ({"step": 2}, "checkout_step"),
        ({"step": 3, "payment_method": "card"}, "payment_info"),
    ):
        assert accepted(record | {name: [step]}).event_name == canonical


def test_the_key_and_the_time_of_a_record_are_read_in_every_dialect() -> None:
    for dialect in ("ga4_measurement_protocol", "ga4_bigquery", "snowplow"):
        record = sent(dialect, "purchase")
        event = accepted(record)
        assert sender_and_time(encode(record)) == (b"900", event.occurred_at)


MADE_UP = """
dialect: till
version: 3
recognised_by:
  - {till: number, bon: any}
name: kind
events:
  purchase: [sale]
  refund: [sale back]
message_id:
  - id: {$prefix: "till:", $text: bon}
envelope:
  userId: card
  timestamp: {$s: at}
  properties:
    order_id: bon
    products:
      $each: rows
      $fields: {product_id: ean, quantity: n, price: each}
consent:
  purposes: {Analytics: ok, Personalization: ok}
  granted: ["J"]
  denied: ["N"]
"""


def test_a_new_dialect_is_one_more_file(tmp_path: Path) -> None:
    (tmp_path / "till.yml").write_text(MADE_UP)
    mappings = (*shipped_mappings(), *read_mappings(tmp_path))
    rows = [{"ean": 4006381333931, "n": 2, "each": "1.25"}]
    record = {"till": 4, "bon": 17, "kind": "Sale", "card": 900, "at": 1496318400, "ok": "J"}
    event = read(record | {"rows": rows}, mappings=mappings)
    assert isinstance(event, Event)
    assert (event.message_id, event.event_name, event.customer_ref, event.occurred_at) == (
        *("till:17", "purchase", "u:900"),
        NOON,
    )
    assert (event.dialect, event.mapping_version, event.allows_profiling) == ("till", 3, True)
    assert native(event)["properties"]["products"] == [
        {"product_id": 4006381333931, "quantity": 2, "price": "1.25"}
    ]
    assert isinstance(read(sent("snowplow", "search"), mappings=mappings), Event)


def test_a_new_field_is_one_more_line(tmp_path: Path) -> None:
    (tmp_path / "till.yml").write_text(
        MADE_UP.replace("order_id: bon", "order_id: bon\n    coupon: voucher.code")
    )
    record = {"till": 4, "bon": 1, "kind": "sale", "card": 9, "at": 1e9, "voucher": {"code": "C"}}
    event = read(record, mappings=read_mappings(tmp_path))
    assert isinstance(event, Event)
    assert native(event)["properties"] == {"order_id": 1, "coupon": "C"}
