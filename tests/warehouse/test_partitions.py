"""Events lie in partitions by month, which loaders make; an id is unique over all of them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.events.event import Event
from footfall.warehouse import events, loads, migrate
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.events import Duplicates, EventBatch
from footfall.warehouse.loads import Load, Origin
from tests.warehouse.shop import rows

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def an_event(message: str, when: datetime = NOON) -> Event:
    return Event(
        message_id=message,
        event_name="page_view",
        customer_ref="u:ann",
        anonymous_id=None,
        user_id="ann",
        occurred_at=when,
        received_at=NOON,
        dialect="segment",
        mapping_version=1,
        allows_profiling=None,
        payload=b"{}",
        mapped=None,
    )


def load(*sent: Event, duplicates: Duplicates | None = None) -> Load:
    batch = EventBatch(duplicates)
    for offset, event in enumerate(sent):
        batch.add("t", 0, offset, NOON, event, None)
    with connect(autocommit=True) as connection:
        return loads.in_transaction(
            connection, lambda: loads.store(connection, Origin("k", NOON, []), batch)
        )


def partitions() -> list[str]:
    return [
        name
        for (name,) in rows(
            "select inhrelid::regclass::text from pg_inherits"
            " where inhparent = 'raw.events'::regclass order by 1"
        )
    ]


def test_a_load_makes_the_months_that_it_needs(database: str) -> None:
    instants = [
        *(datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        datetime(2000, 1, 1, tzinfo=UTC),
    ]
    load(*(an_event(f"m{n}", when) for n, when in enumerate(instants)))
    assert partitions() == ["raw.events_2000_01", "raw.events_2024_02", "raw.events_2024_03"]
    assert rows("select message_id, tableoid::regclass::text from raw.events order by 1") == [
        ("m0", "raw.events_2024_02"),
        ("m1", "raw.events_2024_03"),
        ("m2", "raw.events_2000_01"),
    ]


def test_an_id_that_comes_again_in_another_month_is_a_duplicate(database: str) -> None:
    load(an_event("m1"))
    again = load(an_event("m1", datetime(2024, 5, 1, tzinfo=UTC)), an_event("m2"))
    assert (again.stored, again.duplicates) == (1, 1)
    assert rows("select message_id, occurred_at from raw.events order by 1") == [
        *(("m1", NOON), ("m2", NOON))
    ]


def test_a_run_that_does_not_ask_meets_the_keys_of_a_month_that_was_dropped(database: str) -> None:
    duplicates = Duplicates()
    for number in range(events.CLEAN_BATCHES):
        load(an_event(f"m{number}"), duplicates=duplicates)
    assert not duplicates.are_likely
    rows_of_drop = "drop table raw.events_2024_03"
    with transaction() as connection:
        connection.execute(rows_of_drop)
    again = load(an_event("m0"), an_event("m9"), duplicates=duplicates)
    assert (again.stored, again.duplicates) == (1, 1)
    assert rows("select message_id from raw.events") == [("m9",)]


def test_what_is_deleted_by_hand_may_come_again(database: str) -> None:
    load(an_event("m1"), an_event("m2"))
    with transaction() as connection:
        connection.execute("delete from raw.events where message_id = 'm1'")
    assert load(an_event("m1"), an_event("m2")).stored == 1
    with transaction() as connection:
        connection.execute("truncate raw.events")
    assert load(an_event("m1"), an_event("m2")).stored == 2


def test_loaders_that_need_the_same_new_months_at_once_do_not_harm_each_other(
    database: str,
) -> None:
    months = [datetime(2020 + n // 12, n % 12 + 1, 3, tzinfo=UTC) for n in range(36)]
    done: list[Load] = []

    def run(part: Sequence[datetime], loader: int) -> None:
        done.append(load(*(an_event(f"m{loader}-{when:%Y%m}", when) for when in part)))

    loaders = [
        Thread(target=run, args=(months if n % 2 else months[::-1], n), daemon=True)
        for n in range(4)
    ]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join(60)
    assert [one.stored for one in done] == [36] * 4
    assert len(partitions()) == 36
    assert rows("select count(*) from raw.events") == [(144,)]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"))))
def test_python_and_postgres_make_the_same_key_of_an_id(servers: object, ids: list[str]) -> None:
    with connect() as connection:
        found = connection.execute(
            "select raw.message_key(id) from unnest(%s::text[]) with ordinality as sent (id, n)"
            " order by n",
            (ids,),
        ).fetchall()
    assert [key.bytes for (key,) in found] == [events._key(id_) for id_ in ids]


def test_the_events_of_a_load_are_found_without_reading_all_months(database: str) -> None:
    with transaction() as connection:
        connection.execute(
            "select raw.hold_partitions(array_agg(month::date))"
            " from generate_series('2024-01-01', '2024-06-01', interval '1 month') as month"
        )
        connection.execute(
            f"insert into raw.events ({COLUMNS}) select 'm' || n, 'page_view', 'u:ann', 'ann',"
            " '2024-01-01Z'::timestamptz + n * interval '4 minutes', '2024-07-01Z', 'segment',"
            " '{}', n / 5000, 't', 0, n from generate_series(0, 65000) as n"
        )
        connection.execute("analyze raw.events")
        plan = "\n".join(
            line
            for (line,) in connection.execute(
                "explain (analyze, costs off, timing off, summary off) select * from raw.events"
                " where (load_id = any(array(select 11::bigint)) or occurred_at >= '2024-06-30Z')"
                " and occurred_at >= least('2024-06-30Z', (select '2024-05-30Z'::timestamptz))"
            )
        )
    scans = re.findall(r"Heap Scan on events_2024_(\d\d).*\((actual|never)", plan)
    assert scans == [
        *(("01", "never"), ("02", "never"), ("03", "never"), ("04", "never")),
        *(("05", "actual"), ("06", "actual")),
    ]
    assert "Seq Scan" not in plan


COLUMNS = (
    "message_id, event_name, customer_ref, user_id, occurred_at, received_at, dialect, payload,"
    " load_id, kafka_topic, kafka_partition, kafka_offset"
)


def test_the_events_of_a_warehouse_from_before_move_into_months(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for file in migrate.MIGRATIONS.glob("000[1-4]*.sql"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with psycopg.connect(database, autocommit=True) as connection:
        for schema in ("raw", "intermediate", "analytics", "ml", "serving", "privacy", "ops"):
            connection.execute(f"drop schema {schema} cascade".encode())
    with monkeypatch.context() as before:
        before.setattr(migrate, "MIGRATIONS", tmp_path)
        migrate.migrate(database)
    with transaction() as connection:
        connection.execute(
            f"insert into raw.events ({COLUMNS}) select 'm' || n, 'page_view', 'u:ann', 'ann',"
            " '2023-12-31 23:00Z'::timestamptz + n * interval '1 hour', '2024-03-01Z', 'segment',"
            " '{}', 1, 't', 0, n from generate_series(0, 99) as n"
        )
        connection.execute("create view intermediate.stg_shop__events as select * from raw.events")
    was = rows(f"select {COLUMNS} from raw.events order by message_id")
    migrate.migrate(database)
    assert rows(f"select {COLUMNS} from raw.events order by message_id") == was
    assert partitions() == ["raw.events_2023_12", "raw.events_2024_01"]
    assert load(an_event("m7"), an_event("m100")).stored == 1
