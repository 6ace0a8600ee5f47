"""One shop journey, sent in every dialect, becomes the same events, sessions and orders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from footfall.warehouse.build import build
from tests.warehouse.shop import rows, store

pytestmark = [pytest.mark.unbuilt, pytest.mark.usefixtures("shop")]

JOURNEY = Path(__file__).parent.parent / "events" / "golden" / "journey"
NATIVE = "segment"

# What a dialect has no words for (docs/events.md) is left out of the comparison: events, by their
# canonical names, and columns.
UNSAYABLE_EVENTS = {
    "ga4_bigquery": {"consent"},
    "ga4_measurement_protocol": {"consent"},
    "rudderstack": set[str](),
    "snowplow": {"cart_view", "wishlist_add", "identify"},
}
UNSAYABLE_COLUMNS = {
    # of consent only the event consent_preferences speaks, and a discount is the whole order's
    "snowplow": {"events": {"allows_profiling"}, "lines": {"discount"}},
}
NAMES = {
    "Cart Viewed": "cart_view",
    "Product Added to Wishlist": "wishlist_add",
    "Segment Consent Preference Updated": "consent",
}

# For each table what is compared, and the rows of one sender.
COMPARED = {
    "events": (
        *("event_name", "ref", "anonymous_id", "user_id", "shop_session_id", "occurred_at"),
        *("allows_profiling", "order_id", "currency", "coupon", "revenue", "total", "products"),
        *("product_id", "category", "product_value"),
    ),
    "sessions": (
        *("started_at", "ended_at", "event_count", "product_view_count", "cart_add_count"),
        *("order_count", "revenue", "search_count", "cart_value", "has_abandoned_cart"),
        *("is_bounce", "funnel_depth", "device_type", "landing_page", "referrer_host"),
        *("utm_source", "utm_medium", "utm_campaign", "duration_seconds"),
    ),
    "orders": (
        *("order_id", "ordered_at", "gross_revenue", "discount", "refunded", "net_revenue"),
        "item_count",
    ),
    "lines": (
        *("order_id", "product_id", "quantity", "unit_price", "discount", "category", "brand"),
        "product_name",
    ),
}
CUSTOMER = "(select customer_id from analytics.customer_identities where ref = 'u:900 ' || %s)"
ANONYMOUS = "'7f0b1c9e-5a2d-4c1e-9b3f-2d1a0c4e8b77 ' || %s"
ROWS = {
    "events": f"intermediate.stg_shop__events where anonymous_id = {ANONYMOUS} order by 6",
    "sessions": f"analytics.fct_sessions where customer_id = {CUSTOMER} order by started_at",
    "orders": f"analytics.fct_orders where customer_id = {CUSTOMER}",
    "lines": "analytics.fct_order_lines where order_id = 'o-1001 ' || %s order by product_id",
}
PRODUCT_FIELDS = ("product_id", "name", "brand", "category", "variant", "price", "quantity")


def journey(dialect: str, sender: str, without: set[str] = frozenset()) -> Iterator[Any]:
    """Yield the journey in a dialect, as that of another sender, except for some events."""
    for line in (JOURNEY / f"{dialect}.jsonl").read_bytes().splitlines():
        tag = sender.encode()
        for id_ in (b"900", b"7f0b1c9e-5a2d-4c1e-9b3f-2d1a0c4e8b77", b"o-1001"):
            line = line.replace(b'"%s"' % id_, b'"%s %s"' % (id_, tag))
        line = line.replace(b'"messageId":"', b'"messageId":"%s' % tag)
        record = msgspec.json.decode(line)
        if not without or NAMES.get(record.get("event"), record["type"]) not in without:
            yield record


def built(sender: str, without: dict[str, set[str]]) -> dict[str, list[Any]]:
    """Return what was built of a sender's events, but for some columns."""
    found = {}
    for table, columns in COMPARED.items():
        kept = [column for column in columns if column not in without.get(table, set())]
        query = f"select to_jsonb(kept) from (select {', '.join(kept)} from {ROWS[table]}) as kept"
        found[table] = [without_sender(row, sender) for (row,) in rows(query, sender)]
    for event in found["events"]:
        event["products"] = event["products"] and [
            {field: product.get(field) for field in PRODUCT_FIELDS} for product in event["products"]
        ]
    return found


def without_sender(row: Any, sender: str) -> Any:
    return msgspec.json.decode(msgspec.json.encode(row).replace(f" {sender}".encode(), b""))


def test_the_same_journey_is_the_same_in_every_dialect() -> None:
    for dialect, events in UNSAYABLE_EVENTS.items():
        store(journey(dialect, f"by {dialect}"))
        store(journey(NATIVE, f"as {dialect}", events))
    build()

    for dialect, events in UNSAYABLE_EVENTS.items():
        columns = UNSAYABLE_COLUMNS.get(dialect, {})
        native, mapped = built(f"as {dialect}", columns), built(f"by {dialect}", columns)
        for table, expected in native.items():
            assert mapped[table] == expected, f"{dialect}: {table}"
        assert {table: len(found) for table, found in mapped.items()} == {
            "events": 20 - len(events),
            "sessions": 4,
            "orders": 1,
            "lines": 2,
        }
