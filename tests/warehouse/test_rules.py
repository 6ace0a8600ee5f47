"""What gives built rows their meaning: where it changes, a build begins anew by itself."""

from typing import Any

import pytest

from footfall.errors import NotReady
from footfall.warehouse import build as building
from footfall.warehouse.build import build, build_snapshots
from footfall.warehouse.dbt import read_project
from footfall.warehouse.rules import rules_of
from tests.conftest import set_environment
from tests.warehouse.shop import at, event, midnight, rows, store

pytestmark = [pytest.mark.unbuilt, pytest.mark.usefixtures("shop")]


@pytest.fixture
def project(shop: None) -> Any:
    """Give dbt's manifest."""
    return read_project()


def test_another_session_gap_is_built_anew_by_itself(monkeypatch, caplog):
    store([event(message="m1", user="1"), event(message="m2", user="1", when=at(minutes=50))])
    assert build(midnight(3, 9)).report.rebuilt_because is None
    set_environment(monkeypatch, session_gap_minutes=60)
    reason = "session_gap_minutes is 60, was 30"
    with pytest.raises(NotReady, match=f"follows other rules .{reason}.; run: footfall build"):
        build_snapshots([midnight(3, 3)])
    store([event(message="m3", user="1", when=at(minutes=100))])
    built = build(midnight(3, 5))
    assert built.full_refresh
    assert built.report.rebuilt_because == reason
    assert built.report.line().endswith(f"everything built anew: {reason}")
    assert f"everything is built anew: {reason}" in caplog.text
    # what was built further stays built so far, and the later snapshot is kept
    assert built.built_through == midnight(3, 9)
    assert rows("select as_of from ops.snapshots order by 1") == [
        (midnight(3, 5),),
        (midnight(3, 9),),
    ]
    assert rows("select event_count from analytics.fct_sessions") == [(3,)]
    assert not build(midnight(3, 9)).full_refresh


def test_where_raw_events_were_dropped_changed_rules_are_refused_or_go_on(monkeypatch):
    store([event(message="m1", user="1"), event(message="m2", user="1", when=at(minutes=50))])
    build(midnight(3, 9))
    with building.transaction() as connection:
        connection.execute(
            "insert into ops.retentions (dropped_before, partitions, rows, rejects_blanked)"
            " values ('2024-03-01Z', '{events_2024_02}', 1, 0)"
        )
    set_environment(monkeypatch, session_gap_minutes=60)
    store([event(message="m3", user="2"), event(message="m4", user="2", when=at(minutes=50))])
    with pytest.raises(NotReady, match="is 60, was 30.*footfall build --keep-built"):
        build(midnight(3, 9))
    assert not build(midnight(3, 9), keep_built=True).full_refresh
    assert not build(midnight(3, 9)).full_refresh
    assert rows("select event_count from analytics.fct_sessions order by 1") == [(1,), (1,), (2,)]


@pytest.mark.parametrize("kind", ["seed", "model", "macro"])
def test_what_a_seed_a_model_or_a_macro_says_is_a_rule(project, kind):
    rules = rules_of(project)
    assert rules["session_gap_minutes"] == 30
    nodes = project.macros if kind == "macro" else project.nodes
    name = {"seed": "bot_rules", "model": "fct_sessions", "macro": "customer_id"}[kind]
    (node,) = [node for node in nodes.values() if node.name == name]
    with pytest.MonkeyPatch.context() as patch:
        if kind == "seed":
            patch.setattr(node.checksum, "checksum", "another")
        else:
            code = "macro_sql" if kind == "macro" else "raw_code"
            patch.setattr(node, code, "-- a remark {# another #}\n\n" + getattr(node, code))
            assert rules_of(project) == rules
            patch.setattr(node, code, getattr(node, code) + " limit 1")
        changed = rules_of(project)
    assert {name for name in rules if changed[name] != rules[name]} == {f"{kind} {name}"}


def test_what_mends_itself_and_what_only_looks_is_no_rule(project):
    names = {name.rpartition(" ")[2] for name in rules_of(project)}
    assert {"fct_sessions", "int_user_agents", "bot_rules", "unknown_consent"} <= names
    assert not {"event_volumes", "exchange_rates", "test_row_law"} & names


def test_a_build_that_noted_no_rules_is_followed_by_one_of_everything():
    store([event(message="m1", user="1")])
    build(midnight(3, 9))
    with building.transaction() as connection:
        connection.execute("update ops.builds set rules = null")
    assert build(midnight(3, 9)).report.rebuilt_because == "the last build noted no rules"
