"""What a build takes in, what it leaves out, and what happens when it fails or meets another."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from threading import Thread
from typing import Any

import pytest

from footfall.errors import BuildFailed, Fenced, GateStopped, NotReady
from footfall.warehouse import build as building
from footfall.warehouse import dbt
from footfall.warehouse.as_of import newest_as_of
from footfall.warehouse.build import build, build_snapshots
from footfall.warehouse.build_plan import BUILDING
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.dbt import run_dbt
from footfall.warehouse.feature_pages import label_files
from ml.labels import FOLDER, read_labels
from tests.conftest import set_environment
from tests.warehouse.random_shop import AS_OFS, arrivals
from tests.warehouse.shop import (
    at,
    event,
    judge,
    marts,
    midnight,
    order,
    refund,
    rows,
    store,
)

pytestmark = pytest.mark.usefixtures("shop")


def numbers(query: str, *parameters: object) -> list[Any]:
    return [value for (value,) in rows(query, *parameters)]


@pytest.mark.unbuilt
def test_without_events_there_is_nothing_to_build():
    with pytest.raises(NotReady, match="footfall ingest"):
        build()


@pytest.mark.unbuilt
@pytest.mark.parametrize(
    ("newest", "as_of"),
    [
        (datetime(2024, 3, 1, 23, 59, 59, 999999, tzinfo=UTC), midnight(3, 2)),
        (midnight(3, 2), midnight(3, 3)),
    ],
)
def test_the_default_as_of_is_the_first_midnight_after_the_newest_event(newest, as_of):
    store([event(message="m1", user="1", when=newest)])
    with transaction() as connection:
        assert newest_as_of(connection) == as_of


@pytest.mark.unbuilt
def test_a_load_that_no_gate_has_judged_is_not_built_on():
    store([event(message="m1", user="1")], verdict=None)
    with pytest.raises(NotReady, match="load 1 yet; run: footfall gate raw"):
        build()
    assert rows("select * from ops.builds") == []


@pytest.mark.unbuilt
def test_a_load_that_the_gate_stopped_is_not_built_on():
    load = store([event(message="m1", user="1")])
    with transaction() as connection:
        judge(connection, load, "stop")
    with pytest.raises(GateStopped, match="gate raw stopped load 1"):
        build()
    assert rows("select * from ops.builds") == []


def test_a_load_that_comes_in_unjudged_does_not_stop_another_instant():
    store([event(message="m1", user="1")])
    build()
    store([event(message="m2", user="2", when=at(hours=1))], verdict=None)
    assert build(midnight(2, 28)).loads == 0


def test_what_comes_in_after_the_verdict_waits_for_the_next_build():
    store([event(message="m1", user="1")], verdict="warn")
    later = store([event(message="m2", user="2", when=at(hours=1))], verdict=None)
    assert build().loads == 1
    assert numbers("select ref from analytics.customer_identities") == ["u:1"]
    with transaction() as connection:
        judge(connection, later, "pass")
    assert build().loads == 1
    assert numbers("select ref from analytics.customer_identities order by 1") == ["u:1", "u:2"]
    assert build().loads == 0


def test_a_later_as_of_takes_in_what_an_earlier_one_left_out():
    store([order("m1", "o1", user="1"), order("m2", "o2", user="1", when=midnight(3, 9))])
    orders = "select order_id from analytics.fct_orders order by 1"
    build(midnight(3, 9))
    assert numbers(orders) == ["o1"]
    build(midnight(3, 10))
    assert numbers(orders) == ["o1", "o2"]


def test_an_earlier_as_of_adds_its_snapshot_and_moves_nothing_back():
    store(
        [
            order("m1", "o1", user="1"),
            refund("m2", "o1", 4, user="1", when=midnight(3, 9)),
            order("m3", "o2", user="1", when=midnight(3, 9)),
        ]
    )
    build(midnight(3, 10))
    facts = marts()["fct_orders"]
    built = build(midnight(3, 5))
    assert (built.as_of, built.built_through) == (midnight(3, 5), midnight(3, 10))
    assert marts()["fct_orders"] == facts
    assert rows("select as_of, frequency, monetary from analytics.customer_rfm order by 1") == [
        (midnight(3, 5), 1, 10),
        (midnight(3, 10), 2, 16),
    ]


def test_a_full_refresh_goes_back_to_an_earlier_instant():
    store([order("m1", "o1", user="1"), order("m2", "o2", user="1", when=midnight(3, 9))])
    build(midnight(3, 9))
    only_first = marts()
    build(midnight(3, 10))
    build(midnight(3, 9), full_refresh=True)
    assert marts() == only_first
    assert numbers("select as_of from ops.snapshots") == [midnight(3, 9)]


@pytest.mark.unbuilt
def test_labels_become_known_as_time_passes_and_a_file_more_is_a_label_more(tmp_path, monkeypatch):
    folder = shutil.copytree(FOLDER, tmp_path / "labels")
    told = (folder / "churn.yml").read_text()
    (folder / "leaving.yml").write_text(
        told.replace("churned_within_30_days", "left_within_40_days").replace("30", "40")
    )
    shutil.copytree(dbt.PROJECT, tmp_path / "dbt_project")
    for path, text in label_files(read_labels(folder)).items():
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(dbt, "PROJECT", tmp_path / "dbt_project")
    set_environment(monkeypatch, home=tmp_path / "home")  # what dbt has read of this project
    store([order("m1", "o1", user="1"), order("m2", "o2", user="1", when=midnight(3, 9))])
    label = (
        "select purchased_within_7_days, churned_within_30_days, left_within_40_days,"
        " net_revenue_within_90_days::float from analytics.customer_labels where as_of = %s"
    )
    build(midnight(3, 8))
    assert rows(label, midnight(3, 8)) == [(None, None, None, None)]
    build(midnight(3, 15))
    assert rows(label, midnight(3, 8)) == [(True, None, None, None)]
    build(midnight(4, 7))
    assert rows(label, midnight(3, 8)) == [(True, False, None, None)]
    build(midnight(4, 17))
    assert rows(label, midnight(3, 8)) == [(True, False, False, None)]
    build(midnight(6, 6))
    ((*_, paid),) = rows(label, midnight(3, 8))
    assert paid == 10
    store([refund("m3", "o2", 4, user="1", when=midnight(6, 5))])  # late, of within the window
    build(midnight(6, 8))
    assert rows(label, midnight(3, 8)) == [(True, False, False, paid - 4)]


@pytest.mark.unbuilt
def test_only_the_missing_snapshots_are_built():
    store([order("m1", "o1", user="1")])
    build(midnight(3, 20))
    assert build_snapshots([midnight(3, 6), midnight(3, 13), midnight(3, 20)]) == 2
    assert build_snapshots([midnight(3, 13)]) == 0
    assert numbers("select recency_days from analytics.customer_rfm order by as_of") == [4, 11, 18]


@pytest.mark.unbuilt
def test_a_snapshot_later_than_the_warehouse_is_refused():
    store([order("m1", "o1", user="1")])
    with pytest.raises(NotReady, match="no build has finished"):
        build_snapshots([midnight(3, 6)])
    build(midnight(3, 5))
    with pytest.raises(NotReady, match="footfall build --as-of 2024-03-06"):
        build_snapshots([midnight(3, 6)])


def test_who_did_not_allow_it_is_stored_but_not_profiled():
    store(
        [
            event("identify", message="m0", user="1", consent=None, traits={"city": "Ulm"}),
            order("m1", "o1", user="1", consent=None),
            order("m2", "o2", user="2", consent=True),
            order("m3", "o3", user="2", consent=False, when=midnight(3, 9)),
        ]
    )
    build(midnight(3, 9))
    build(midnight(3, 10))
    profiled = "select as_of from analytics.{} order by 1"
    for table in ("customer_rfm", "customer_features", "customer_labels"):
        assert numbers(profiled.format(table)) == [midnight(3, 9)], table
    assert numbers(profiled.format("customer_products")) == []
    assert rows("select * from analytics.segment_history") == []  # of who may be profiled now
    assert rows("select is_profilable, traits from analytics.dim_customers") == [(False, None)] * 2
    assert len(rows("select * from analytics.fct_orders")) == 3


@pytest.mark.unbuilt
def test_a_build_that_failed_is_repeated_by_the_next():
    events = arrivals(Random(7))
    loads = [[one.envelope for one in events if one.load == n] for n in range(len(AS_OFS))]
    store(loads[0])
    build(AS_OFS[0])
    store(loads[1])
    refuse = "create trigger refuse before insert on analytics.{} execute function ops.refuse()"
    with transaction() as connection:
        connection.execute(
            "create function ops.refuse() returns trigger language plpgsql"
            " as $$ begin raise exception 'the disk is full'; end $$"
        )
        connection.execute(refuse.format("fct_sessions").encode())
        connection.execute(refuse.format("customer_rfm").encode())
    with pytest.raises(BuildFailed, match=r"(?s)dbt failed at .*the disk is full.*dbt\.log"):
        build(AS_OFS[1])
    with pytest.raises(NotReady, match="did not finish; run: footfall build"):
        build_snapshots([midnight(3, 30)])
    with transaction() as connection:
        connection.execute("drop function ops.refuse() cascade")
    store(loads[2])
    # as of an earlier instant than the failed one: what that had begun is not left half done
    built = build(midnight(4, 20))
    assert (built.loads, built.built_through) == (2, AS_OFS[1])
    build(AS_OFS[2])
    increments = marts()
    build(AS_OFS[2], full_refresh=True)
    assert increments == marts()


@pytest.mark.unbuilt
def test_a_full_refresh_that_failed_is_completed_as_one():
    store([order("m1", "o1", user="1"), order("m2", "o2", user="1", when=midnight(3, 9))])
    build(midnight(3, 10))
    with transaction() as connection:
        connection.execute(
            "insert into ops.builds (as_of, built_through, full_refresh)"
            " values ('2024-03-02Z', '2024-03-02Z', true)"
        )
    built = build(midnight(3, 5))
    assert (built.full_refresh, built.built_through) == (True, midnight(3, 10))


@pytest.mark.unbuilt
def test_a_build_waits_until_no_other_is_under_way():
    store([order("m1", "o1", user="1")])
    with connect(autocommit=True) as other:
        other.execute(f"select pg_advisory_lock({BUILDING})")
        waiting = Thread(target=build, args=(midnight(3, 9),))
        waiting.start()
        until(lambda: numbers("select count(*) from pg_locks where not granted") == [1])
        assert rows("select * from ops.builds") == []
    waiting.join()
    assert numbers("select finished_at is not null from ops.builds") == [True]


@pytest.mark.unbuilt
def test_a_build_that_was_overtaken_writes_nothing():
    store([order("m1", "o1", user="1")])
    build(midnight(3, 9))
    before = marts()
    older = {"build_id": 1, "built_through": "2024-03-01T00:00:00Z"}
    with transaction() as connection:
        connection.execute(
            "insert into ops.builds (as_of, built_through, full_refresh)"
            " values ('2024-03-09Z', '2024-03-09Z', false)"
        )
    with pytest.raises(BuildFailed, match="build 1 was overtaken by a newer one"):
        run_dbt(["build", "--full-refresh", "--exclude-resource-type", "unit_test"], older)
    assert marts() == before
    with pytest.raises(Fenced, match="build 1 was overtaken"):
        building._finish(1, midnight(3, 9), {})


def test_the_indexes_know_the_newest_events_before_a_build_reads_them():
    store(event(message=f"m{n}", user=str(n % 50), when=at(seconds=n)) for n in range(3000))
    unknown = (
        "select sum(brin_summarize_new_values(indexrelid)) from pg_index"
        " join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam"
        " where amname = 'brin' and relkind = 'i'"
    )
    build(midnight(3, 9))
    assert rows(unknown) == [(0,)]


def test_a_build_leaves_a_vacuum_of_the_events_in_peace(shop: None):
    """Postgres cancels a vacuum for who waits a second for it; the index would be damaged."""
    store([event(message="m1", user="1")])
    (partition,) = rows("select tableoid::regclass::text from raw.events")[0]
    with connect() as vacuum:
        vacuum.execute(f"lock table {partition} in share update exclusive mode")
        build(midnight(3, 9), full_refresh=True)
        waiting = "select count(*) from pg_locks where not granted"
        assert rows(waiting) == [(0,)]
    store([event(message="m2", user="2")])
    build(midnight(3, 9))
    assert rows("select count(*) from analytics.dim_customers") == [(2,)]


def test_dbt_is_called_the_same_way_each_time():
    from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS as FLAGS

    dbt.read_project()
    before = list(FLAGS)
    dbt.read_project()
    assert before == FLAGS


def test_refs_are_compared_in_the_collation_of_their_indexes():
    other = (
        "select attrelid::regclass, attname, collname from pg_attribute"
        " join pg_class on pg_class.oid = attrelid"
        " join pg_collation on pg_collation.oid = attcollation"
        " where relkind = 'r' and relnamespace = 'intermediate'::regnamespace"
        " and attname in ('ref', 'root_ref') and (collname = 'default') = %s"
    )
    assert rows(other, False) == []
    assert len(rows(other, True)) > 10


def until(condition: Callable[[], bool], attempts: int = 10_000) -> None:
    """Ask again and again; the question itself takes a while."""
    assert any(condition() for _ in range(attempts))
