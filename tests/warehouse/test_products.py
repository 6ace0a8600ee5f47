"""What a product is follows from the set of its facts, not from the order in which they came."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.events.event import Reject
from footfall.events.product import decode_product
from footfall.warehouse import loads
from footfall.warehouse.loads import Load, Origin
from footfall.warehouse.products import ProductBatch
from tests.events.test_json_text import texts

TEN = datetime(2026, 5, 1, 10, tzinfo=UTC)
VERSIONS = "to_jsonb(t) - 'load_id' from raw.product_versions t order by product_id, fact_sha256"
PRODUCTS = "to_jsonb(t) - 'load_id' from raw.products t order by product_id"

Connection = psycopg.Connection[tuple[Any, ...]]


class Record(NamedTuple):
    """A Kafka record of the catalog."""

    minute: int
    offset: int
    value: dict[str, Any] | None
    key: str = "p"

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in the log."""
        return self.minute, self.offset


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, options="-c timezone=UTC") as connection:
        yield connection
        connection.rollback()


def at(minute: int) -> datetime:
    return TEN + timedelta(minutes=minute)


def fact(
    minute: int, offset: int, *, updated: int | None = None, key: str = "p", **fields: Any
) -> Record:
    time = {} if updated is None else {"updated_at": at(updated).isoformat()}
    return Record(minute, offset, {"product_id": key} | time | fields, key)


def load(connection: Connection, records: Iterable[Record]) -> Load:
    batch = ProductBatch()
    for record in records:
        value = None if record.value is None else json.dumps(record.value).encode()
        received_at = at(record.minute)
        result = decode_product(record.key.encode(), value, received_at=received_at)
        batch.add("shop.catalog", 0, record.offset, received_at, result, value)
    return loads.store(connection, Origin("cluster", TEN, []), batch)


def rows(connection: Connection, what: LiteralString) -> list[Any]:
    return [row[0] for row in connection.execute("select " + what)]


def current(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select product_id, version, price from raw.products order by product_id"
    ).fetchall()


def expected(records: Sequence[Record]) -> dict[str, set[str]]:
    """Return what each product may be, by the rule as it is written down; ties leave a choice."""
    found = {}
    for key in {record.key for record in records}:
        facts: dict[str, Record] = {}
        for record in sorted((r for r in records if r.key == key), key=lambda r: r.place):
            if record.value is not None:
                told = record.value.get("updated_at", str(record.minute))
                facts.setdefault(json.dumps([record.value, told]), record)
        deletions = [r for r in records if r.key == key and r.value is None]
        alive = survivors(list(facts.values()), max(deletions, key=lambda r: r.place, default=None))
        best = max((rank(r) for r in alive), default=None)
        found[key] = {json.dumps(r.value) for r in alive if rank(r) == best}
    return {key: choice for key, choice in found.items() if choice}


def survivors(facts: Sequence[Record], deletion: Record | None) -> list[Record]:
    if deletion is None:
        return list(facts)
    before = [rank(r)[0] for r in facts if r.place < deletion.place]
    known = max(before, default=-1)
    return [
        r
        for r in facts
        if r.place > deletion.place
        and (-1 < known < rank(r)[0] or rank(r)[1] >= at(deletion.minute))
    ]


def rank(record: Record) -> tuple[int, datetime]:
    assert record.value is not None
    updated_at = record.value.get("updated_at")
    return (
        record.value.get("version", -1),
        datetime.fromisoformat(updated_at) if updated_at else at(record.minute),
    )


minutes = st.integers(0, 4)
values = st.builds(
    lambda version, updated, price, key: fact(
        0, 0, updated=updated, key=key, price=price, **({} if version is None else version)
    ),
    st.none() | st.integers(1, 3).map(lambda n: {"version": n}),
    st.none() | minutes,
    st.sampled_from([1, 2]),
    st.sampled_from("pq"),
)
logs = st.lists(
    st.tuples(minutes, values | st.sampled_from("pq").map(lambda key: Record(0, 0, None, key))),
    min_size=1,
    max_size=9,
).map(lambda drawn: [r._replace(minute=m, offset=n) for n, (m, r) in enumerate(drawn)])


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(log=logs, chance=st.randoms(use_true_random=False))
def test_any_order_and_any_batches_make_the_same_tables(
    connection: Connection, log: list[Record], chance: Any
) -> None:
    def loaded(records: Sequence[Record], cut: Callable[[], int]) -> tuple[Any, ...]:
        connection.rollback()
        rest, read, stored = list(records), 0, 0
        while rest:
            batch, rest = rest[: (size := cut())], rest[size:]
            done = load(connection, batch)
            assert done.records_read == len(batch) == done.stored + done.duplicates
            read, stored = read + done.records_read, stored + done.stored
        tables = rows(connection, VERSIONS), rows(connection, PRODUCTS)
        assert (read, stored) == (len(records), len(tables[0]))
        return tables

    at_once = loaded(log, lambda: len(log))
    again = [*log, *chance.choices(log, k=3)]
    chance.shuffle(again)
    assert loaded(again, lambda: chance.randint(1, 4)) == at_once
    assert {row["product_id"] for row in at_once[1]} == set(expected(log))
    by_offset = {record.offset: json.dumps(record.value) for record in log}
    for row in at_once[1]:
        assert by_offset[row["kafka_offset"]] in expected(log)[row["product_id"]]


def test_the_highest_version_is_the_product_whenever_it_came(connection: Connection) -> None:
    load(connection, [fact(1, 1, version=3, updated=1, price=3)])
    load(connection, [fact(2, 2, version=2, updated=2, price=2), fact(3, 3, version=1, price=1)])
    assert current(connection) == [("p", 3, Decimal(3))]
    assert rows(connection, "price from raw.product_versions t order by version") == [1, 2, 3]


def test_of_one_version_the_latest_update_is_the_product(connection: Connection) -> None:
    load(connection, [fact(5, 1, version=1, updated=4, price=4)])
    load(connection, [fact(6, 2, version=1, updated=3, price=3)])
    assert current(connection) == [("p", 1, Decimal(4))]


def test_of_two_that_differ_in_content_alone_each_log_has_the_same_one(
    connection: Connection,
) -> None:
    found = set()
    for prices in ((1, 2), (2, 1)):
        connection.rollback()
        load(connection, [fact(n, n, version=1, updated=0, price=p) for n, p in enumerate(prices)])
        found |= set(current(connection))
    assert len(found) == 1


def test_a_deleted_product_is_gone_and_its_history_is_kept(connection: Connection) -> None:
    load(connection, [fact(1, 1, version=1, price=1), fact(1, 2, key="q"), Record(2, 3, None)])
    assert current(connection) == [("q", None, None)]
    history = "select is_deleted, updated_at, price from raw.product_versions where product_id='p'"
    assert sorted(connection.execute(history).fetchall()) == [
        (False, at(1), Decimal(1)),
        (True, at(2), None),
    ]


def test_an_old_version_that_is_sent_again_stays_deleted(connection: Connection) -> None:
    first, second = (fact(n, n, version=n, updated=n) for n in (1, 2))
    load(connection, [first, second, Record(3, 3, None)])
    load(connection, [first._replace(minute=4, offset=4), second._replace(minute=5, offset=5)])
    load(connection, [fact(6, 6, version=1, updated=2, price=9)])
    assert current(connection) == []


@pytest.mark.parametrize(
    "again",
    [
        fact(4, 4, version=3, updated=2),
        fact(4, 4, version=1, updated=3),
        fact(4, 4, updated=4),
        fact(3, 4),
    ],
    ids=["a higher version", "updated since", "without a version", "in the same millisecond"],
)
def test_a_product_that_is_made_anew_is_back(connection: Connection, again: Record) -> None:
    load(connection, [again])
    load(connection, [Record(3, 3, None), fact(1, 1, version=2, updated=1)])
    assert [row[1] for row in current(connection)] == [(again.value or {}).get("version")]


def test_a_deletion_that_came_before_what_it_deletes_holds(connection: Connection) -> None:
    load(connection, [Record(3, 3, None)])
    assert load(connection, [fact(1, 1, version=7, updated=1)]).stored == 1
    load(connection, [fact(4, 4, version=7, updated=1)])  # as late as that, and no later version
    assert current(connection) == []


def test_every_field_has_its_column_or_is_an_attribute(connection: Connection) -> None:
    fields: dict[str, Any] = {"version": 4, "name": "Shoe", "category": "shoes", "brand": "Acme"}
    fields |= {"price": "19.90", "currency": "EUR", "stock": 3, "sizes": [41, 42], "fine": 1e-3}
    load(connection, [fact(1, 1, updated=0, **fields)])
    assert connection.execute("select * from raw.products").fetchall() == [
        ("p", 4, at(0), "Shoe", "shoes", "Acme", Decimal("19.90"), "EUR", 3)
        + ({"sizes": [41, 42], "fine": 0.001}, 1, "shop.catalog", 0, 1)
    ]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.none() | texts.map(str.encode) | st.binary(max_size=4),
    texts=st.lists(texts | st.sampled_from(["1e-400", "9" * 30, "0001-01-01"]), max_size=4),
    numbers=st.lists(st.sampled_from(["1", "-1", "1e12", "1e-30", "3.0", "1e300", "true"])),
)
def test_what_is_decoded_postgres_stores(
    connection: Connection, key: bytes | None, texts: list[str], numbers: list[str]
) -> None:
    connection.rollback()
    product_id = (key or b"p").decode(errors="replace")
    names = ("name", "brand", "updated_at", "extra")
    fields = [f'"{name}":"{text}"' for name, text in zip(names, texts, strict=False)]
    amounts = ("price", "stock", "version", "more")
    fields += [f'"{name}":{n}' for name, n in zip(amounts, numbers, strict=False)]
    value = ("{" + ",".join([f'"product_id":{json.dumps(product_id)}', *fields]) + "}").encode()
    batch = ProductBatch()
    for offset, sent in enumerate((value, None)):
        result = decode_product(key, sent, received_at=TEN)
        batch.add("shop.catalog", 0, offset, TEN, result, sent)
        assert not isinstance(result, Reject) or result.detail
    done = loads.store(connection, Origin("cluster", TEN, []), batch)
    assert done.stored + done.rejected == 2
