"""Dirt in the shape of UCI's "Online Retail" goes the whole path: no row is lost in silence."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from footfall.events.producer import send
from footfall.events.sources import open_source
from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.path import gated_build
from tests.conftest import set_environment

FILE = Path(__file__).with_name("online_retail.csv")

# Where each row of the file is, by its invoice: stored, with its order or the reason why it does
# not count, or rejected.
ORDERS = {
    "900001": ("73.98", 4, 19),  # three products and postage; a line that came twice
    "900002": ("12.50", 2, 10),  # two of the tins went back at once
    "900003": ("0.00", 1, 1),
    "900012": ("5.00", 1, 4),
}
SET_ASIDE = {
    "C900006": ("unknown_order", 1),
    "C900007": ("unknown_order", 2),
    "A900009": ("negative_total", 1),
}
REJECTED = {
    "900004": ("missing_customer", 1),
    "900005": ("missing_customer", 1),
    "A900008": ("missing_customer", 1),
    "900010": ("bad_field", 2),  # a quantity that is no number: the whole invoice
    "900011": ("bad_time", 1),
    "": ("missing_order_id", 1),
    "900001": ("unknown_dialect", 1),  # came again after other rows
}


def test_each_row_is_stored_or_set_aside_with_its_reason(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    set_environment(monkeypatch, currency="GBP", unknown_consent="allow", most_rejected=1)
    sent = send(open_source(str(FILE), mapping="online_retail"))
    loaded = ingest_until_caught_up()
    gated_build()

    assert (sent.records, loaded.stored, loaded.rejected) == (14, 7, 7)
    with psycopg.connect(database) as connection:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return connection.execute(query.encode()).fetchall()

        stored = dict(
            rows(
                "select payload #>> '{properties,order_id}',"
                " jsonb_array_length(payload #> '{context,rows}') from raw.events"
            )
        )
        orders = rows(
            "select order_id, net_revenue::text, item_count::int, currency"
            " from analytics.fct_orders"
        )
        set_aside = dict(rows("select order_id, reason from analytics.orders_set_aside"))
        rejected = rows("select reason, convert_from(raw, 'UTF8')::jsonb from raw.rejected_events")
        categories = rows(
            "select product_id, quantity::int, gross_revenue::text, category"
            " from analytics.fct_order_lines where order_id = '900001' order by 1"
        )

    assert {order: (net, stored[order], items) for order, net, items, _ in orders} == ORDERS
    assert {currency for *_, currency in orders} == {"GBP"}
    assert {order: (why, stored[order]) for order, why in set_aside.items()} == SET_ASIDE
    refused = {invoice(record): (why, len(rows_of(record))) for why, record in rejected}
    assert refused == REJECTED
    assert categories == [
        ("71002", 12, "40.68", None),
        ("85001A", 6, "15.30", None),
        ("POST", 1, "18.00", "no goods"),
    ]
    counted = sum(stored.values()) + sum(rows for _, rows in REJECTED.values())
    assert counted == len(FILE.read_text().splitlines()) - 1


def rows_of(record: dict[str, Any]) -> list[Any]:
    """Return the rows that a rejected record carries."""
    if "csv_error" in record:
        return list(record.get("rows", [record.get("row")]))
    return list(record["context"]["rows"])


def invoice(record: dict[str, Any]) -> str:
    first = rows_of(record)[0]
    return str(first["InvoiceNo"] if isinstance(first, dict) else first[0])
