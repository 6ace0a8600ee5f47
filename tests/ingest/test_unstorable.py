"""What the decoder would let pass and Postgres would not holds nothing else back."""

from datetime import UTC, datetime

import psycopg

from footfall.events.event import Event
from footfall.events.product import Product
from footfall.warehouse import loads
from footfall.warehouse.events import EventBatch
from footfall.warehouse.loads import Origin
from footfall.warehouse.products import ProductBatch
from tests.ingest.conftest import Query

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ORIGIN = Origin("k", NOW, [])
REFUSED = b'{"x": "\\u0000"}'


def event(message_id: str, payload: bytes) -> Event:
    return Event(
        message_id=message_id,
        event_name="page_view",
        customer_ref="u:ann",
        anonymous_id=None,
        user_id="ann",
        occurred_at=NOW,
        received_at=NOW,
        dialect="segment",
        mapping_version=1,
        allows_profiling=None,
        payload=payload,
    )


def test_an_event_that_postgres_refuses_is_set_aside_and_the_others_are_stored(
    database: str, query: Query
) -> None:
    batch = EventBatch()
    for offset, payload in enumerate([b"{}", REFUSED, b'{"y": 1}']):
        batch.add("t", 0, offset, NOW, event(f"m-{offset}", payload), payload)
    with psycopg.connect(database) as connection:
        load = loads.store(connection, ORIGIN, batch)
    assert (load.stored, load.duplicates, load.rejected) == (2, 0, 1)
    assert query("select message_id from raw.events order by message_id") == [("m-0",), ("m-2",)]
    assert query("select kafka_offset, reason, raw from raw.rejected_events") == [
        (1, "not_storable", REFUSED)
    ]


def test_a_fact_that_postgres_refuses_is_set_aside_and_the_others_are_stored(
    database: str, query: Query
) -> None:
    batch = ProductBatch()
    for offset, payload in enumerate([b"{}", REFUSED, None]):
        product = Product(product_id=str(offset), updated_at=NOW, received_at=NOW, payload=payload)
        batch.add("t", 0, offset, NOW, product, payload)
    with psycopg.connect(database) as connection:
        load = loads.store(connection, ORIGIN, batch)
    assert (load.stored, load.duplicates, load.rejected) == (2, 0, 1)
    assert query("select kafka_offset, reason from raw.rejected_events") == [(1, "not_storable")]
