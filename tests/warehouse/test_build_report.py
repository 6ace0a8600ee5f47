"""What a build tells of itself: how late its events were, and what they changed."""

import json

import pytest
from typer.testing import CliRunner

from footfall.cli import app
from footfall.warehouse.build import Build, build
from footfall.warehouse.build_report import (
    BuildReport,
    Lateness,
    OrderChanges,
    SessionChanges,
    past_builds,
)
from tests.warehouse.shop import at, event, midnight, order, rows, store

pytestmark = pytest.mark.usefixtures("shop")

NONE = SessionChanges(created=0, removed=0, joined=0, split=0, changed=0)
AS_OF = midnight(3, 9)


def take_in(*events) -> BuildReport:
    """Store events as one load and build; return what the build tells."""
    store(events)
    return build(AS_OF).report


def sessions(**changes: int) -> SessionChanges:
    return SessionChanges(**(vars(NONE) | changes))


@pytest.mark.unbuilt
def test_the_first_build_says_that_everything_is_new():
    report = take_in(event(message="m1", user="1"), order("m2", "o1", user="2"))
    assert (report.events, report.customers_touched, report.newest_event_at) == (2, 2, at())
    assert (report.rebuilt_because, report.sessions, report.orders) == (None, None, None)
    assert report.line() == "2 new events, 2 customers touched, everything built anew"


def test_a_late_event_that_joins_two_sessions_reports_exactly_that():
    take_in(
        event(message="m1", user="1"),
        event(message="m2", user="1", when=at(minutes=50)),
        event(message="other", user="2", when=at(hours=5)),
    )
    report = take_in(event(message="m3", user="1", when=at(minutes=25)))
    assert report.sessions == sessions(joined=1)
    assert (report.events, report.customers_touched, report.identities_moved) == (1, 1, 0)
    assert report.late == Lateness(events=1, median_seconds=16500, most_seconds=16500)
    assert report.snapshots_repaired == 1
    assert report.orders == OrderChanges(created=0, changed=0, removed=0)
    assert report.line() == (
        "1 new event, 1 late (by 4.6 h in the median, 4.6 h at most), 1 customer touched,"
        " sessions: 1 joined, 1 snapshot repaired"
    )


def test_a_late_sign_in_that_moves_part_of_a_session_splits_it():
    # one visit on a shared device: until somebody turns out to have signed in between
    take_in(
        event(message="in", user="1", anonymous="d"),
        event(message="m1", anonymous="d", when=at(minutes=1)),
        event(message="m2", anonymous="d", when=at(minutes=20)),
        event(message="m3", anonymous="d", when=at(minutes=21)),
        event(message="apart", user="3"),
    )
    report = take_in(event(message="late", user="2", anonymous="d", when=at(minutes=19)))
    assert report.sessions == sessions(split=1)
    assert report.customers_touched == 2
    assert report.identities_moved == 1
    assert rows("select event_count from analytics.fct_sessions order by 1") == [(1,), (2,), (3,)]


def test_an_alias_joins_the_visits_of_two_ids_and_moves_one():
    take_in(
        event(message="m1", user="old"),
        event(message="m2", user="new", when=at(minutes=10)),
        order("m3", "o1", user="old", when=at(days=1)),
    )
    report = take_in(
        event("alias", message="m4", user="new", previous="old", when=at(minutes=15)),
    )
    # the order's visit and the order belong to another customer now, and are the same otherwise
    assert report.sessions == sessions(joined=1, changed=1)
    assert report.orders == OrderChanges(created=0, changed=1, removed=0)
    assert (report.identities_moved, report.customers_touched) == (1, 1)


def test_visits_of_other_customers_at_the_same_time_are_not_taken_for_shared():
    take_in(
        event(message="m1", user="1", anonymous="d"),
        event(message="m2", user="2", when=at(minutes=5)),
        event(message="m3", anonymous="e", when=at(days=2)),
    )
    report = take_in(event(message="m4", user="2", anonymous="e", when=at(days=2, minutes=1)))
    assert report.sessions == sessions(changed=1)


def test_new_visits_and_orders_are_created_and_longer_ones_changed():
    take_in(event(message="m1", user="1"), order("m2", "o1", user="1", when=at(days=1)))
    report = take_in(
        event(message="m3", user="1", when=at(minutes=10)),
        order("m4", "o2", user="1", when=at(days=2)),
        event("Order Cancelled", message="m5", user="1", order_id="o1", when=at(days=1, hours=1)),
    )
    assert report.sessions == sessions(created=2, changed=1)
    assert report.orders == OrderChanges(created=1, changed=1, removed=0)


def test_a_build_without_new_events_changes_nothing():
    take_in(event(message="m1", user="1"))
    report = build(AS_OF).report
    assert (report.events, report.customers_touched, report.sessions) == (0, 0, NONE)
    assert (report.newest_event_at, report.late.events) == (at(), 0)
    assert report.line() == "0 new events, 0 customers touched"


def test_what_a_failed_build_had_changed_is_told_by_the_next(monkeypatch):
    take_in(event(message="m1", user="1"), event(message="m2", user="1", when=at(minutes=50)))
    store([event(message="m3", user="1", when=at(minutes=25)), event(message="m4", user="9")])

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the power is off")

    with monkeypatch.context() as patch:
        patch.setattr("footfall.warehouse.build.report_build", fail)
        with pytest.raises(RuntimeError, match="power"):
            build(AS_OF)
    report = take_in(event(message="m5", user="1", when=at(minutes=51)))
    assert (report.events, report.sessions) == (3, sessions(joined=1, created=1))


@pytest.mark.unbuilt
def test_the_last_builds_are_listed_with_what_they_did():
    runner = CliRunner()
    empty = runner.invoke(app, ["builds"])
    assert empty.output == "nothing is built; run: footfall build\n"
    first: Build = build_of(event(message="m1", user="1"))
    second: Build = build_of(event(message="m2", user="1", when=at(minutes=1)))
    newest, oldest = past_builds(10)
    assert (newest.report, oldest.report) == (second.report, first.report)
    assert [past.build_id for past in past_builds(1)] == [second.build_id]
    told = json.loads(runner.invoke(app, ["builds", "--json"]).output)["builds"]
    assert [one["build_id"] for one in told] == [second.build_id, first.build_id]
    assert told[0]["report"]["sessions"]["changed"] == 1
    lines = runner.invoke(app, ["builds", "--limit", "1"]).output.splitlines()
    assert len(lines) == 1
    assert "1 new event, 1 customer touched, sessions: 1 changed" in lines[0]


def build_of(*events) -> Build:
    store(events)
    return build(AS_OF)
