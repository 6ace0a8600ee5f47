"""The catalog is loaded exactly once, and its loads are none of the events' business."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from kafka import KafkaProducer

from footfall.errors import Fenced
from footfall.ingest.catalog import load_catalog
from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.ingest.rejects import list_rejects, replay_rejects
from footfall.settings import settings
from footfall.warehouse import loads
from footfall.warehouse.connection import connect
from footfall.warehouse.loads import Load
from footfall.warehouse.verdicts import pending_loads
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send

Tell = Callable[..., None]
TEN, ELEVEN = "2026-05-01T10:00:00Z", "2026-05-01T11:00:00Z"

numbers = count(1)


@pytest.fixture
def catalog(environment: dict[str, str], kafka_admin: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a fresh compacted topic; the settings point at it."""
    name = f"test.catalog.{os.getpid()}.{next(numbers)}"
    wanted = {"num_partitions": 1, "configs": {"cleanup.policy": "compact"}}
    kafka_admin.create_topics({name: wanted}, wait_for_metadata=True)
    set_environment(monkeypatch, catalog_topic=name)
    return name


@pytest.fixture
def tell(catalog: str) -> Iterator[Tell]:
    """Tell the catalog a fact about a product; without any field, that it was deleted."""
    client = KafkaProducer(bootstrap_servers=settings().kafka)

    def tell_one(product_id: str, key: bytes | None = None, **fields: Any) -> None:
        value = json.dumps({"product_id": product_id} | fields).encode() if fields else None
        client.send(catalog, key=key or product_id.encode(), value=value)
        client.flush()

    yield tell_one
    client.close()


def test_facts_and_deletions_become_products_and_their_history(tell: Tell, query: Query) -> None:
    tell("p-1", version=1, updated_at=TEN, price=10)
    tell("p-1", version=2, updated_at=ELEVEN, price=8, sizes=[41])
    tell("p-1", version=1, updated_at=TEN, price=10)
    tell("p-2", version=1, updated_at=TEN, price=5)
    tell("p-2")
    done = load_catalog()
    assert (done.loads, done.records_read, done.stored, done.duplicates) == (1, 5, 4, 1)
    products = "select product_id, version, price::float, attributes from raw.products"
    assert query(products) == [("p-1", 2, 8.0, {"sizes": [41]})]
    assert query(
        "select product_id, is_deleted, version, price::float from raw.product_versions"
        " order by product_id, version"
    ) == [
        ("p-1", False, 1, 10.0),
        ("p-1", False, 2, 8.0),
        ("p-2", False, 1, 5.0),
        ("p-2", True, None, None),
    ]
    tell("p-2", version=2, updated_at=ELEVEN, price=6)
    assert load_catalog().stored == 1
    assert [row[:2] for row in query(products + " order by product_id")] == [("p-1", 2), ("p-2", 2)]


def test_nothing_is_loaded_twice_and_the_ledger_adds_up(
    tell: Tell, catalog: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, batch_records=3)
    for number in range(10):
        tell(f"p-{number % 4}", version=number // 2)
    assert load_catalog().records_read == 10
    assert load_catalog().loads == 0
    assert query(
        "select kind, sum(records_read), sum(stored + duplicates + rejected) from raw.loads"
        " group by kind"
    ) == [("catalog", 10, 10)]
    assert query("select topic, next_offset from raw.partition_offsets") == [(catalog, 10)]


def test_a_shop_without_a_catalog_has_nothing_to_load(
    environment: dict[str, str], query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, catalog_topic="no.such.catalog")
    assert (load_catalog().loads, load_catalog().records_read) == (0, 0)
    assert query("select count(*) from raw.loads") == [(0,)]


def test_a_loader_that_was_overtaken_writes_nothing(
    tell: Tell, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell("p-1", version=1)
    store = loads.store

    def overtaken(*arguments: Any, **options: Any) -> Load:
        monkeypatch.setattr(loads, "store", store)
        load_catalog()
        return store(*arguments, **options)

    monkeypatch.setattr(loads, "store", overtaken)
    with pytest.raises(Fenced, match="another loader moved"):
        load_catalog()
    assert query("select count(*), sum(stored) from raw.loads") == [(1, 1)]
    assert query("select count(*) from raw.product_versions") == [(1,)]


def test_what_is_no_fact_is_set_aside_and_loaded_after_a_fix(
    tell: Tell, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell("p-1", version=1, price=10)
    tell("p-1", version=2, updated_at="2999-01-01T00:00:00Z", price=8)
    tell("p-2", key=b"p-3", version=1)
    assert load_catalog().rejected == 2
    assert {(g.reason, g.count) for g in list_rejects()} == {("in_the_future", 1), ("bad_key", 1)}
    assert replay_rejects().stored == 0

    monkeypatch.setattr("footfall.events.product.FUTURE_TOLERANCE", timedelta(days=999_999))
    done = replay_rejects()
    assert (done.stored, done.duplicates) == (1, 0)
    assert query("select product_id, version, price::int from raw.products") == [("p-1", 2, 8)]
    assert [group.reason for group in list_rejects()] == ["bad_key"]
    assert query("select distinct kind from raw.loads") == [("catalog",)]


def test_gates_and_builds_wait_for_events_only(tell: Tell, send: Send) -> None:
    tell("p-1", version=1)
    load_catalog()
    with connect() as connection:
        assert pending_loads(connection) == []
    send([encode(order("o-1"))])
    ingest_until_caught_up()
    with connect() as connection:
        assert len(pending_loads(connection)) == 1
