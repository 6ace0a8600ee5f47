"""Segments over several builds: late data, edited rules, going back, people who leave."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from footfall.errors import NotFound
from footfall.segments import registry
from footfall.warehouse import segment_rules, segments
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from tests.warehouse.shop import at, erase, event, midnight, rows, store

RULE = """
name: keen
owner: Merchandising
description: Looks around a lot.
when:
  - {{measure: events, of: product_view, at_least: {bound}, within: {days} days}}
"""
NOW = datetime.fromisoformat("2030-01-01T00:00:00+00:00")


pytestmark = pytest.mark.unbuilt


@pytest.fixture
def folder(shop: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only folder of rules."""
    monkeypatch.setattr(segment_rules, "FOLDER", tmp_path)
    return tmp_path


def rule(folder: Path, bound: int, days: int = 7) -> None:
    (folder / "keen.yml").write_text(RULE.format(bound=bound, days=days))


def view(message: str, user: str, **elapsed: float) -> dict[str, Any]:
    return event("Product Viewed", message=message, user=user, when=at(**elapsed))


def history(version: int) -> list[tuple[Any, ...]]:
    return rows(
        "select entered_at, left_at from analytics.segment_history"
        " where segment = 'keen' and rule_version = %s order by 1, 2",
        version,
    )


def active() -> list[int]:
    return [version.version for version in all_versions() if version.is_active]


def all_versions() -> list[segments.Version]:
    with transaction() as connection:
        return segments.versions(connection)


def register() -> None:
    with transaction() as connection:
        segments.register(connection, segment_rules.read_rules())


def test_late_data_repairs_the_stays_that_it_touches(folder):
    rule(folder, 3)
    store([view("m1", "1", days=0), view("m2", "1", days=1), view("m3", "1", days=3)])
    store([view(f"n{n}", "2", days=n) for n in range(3)])
    build(midnight(3, 6))
    assert history(1) == [(at(days=2), None), (at(days=3), None)]
    store([view("m0", "1", days=2)])
    build(midnight(3, 9))
    assert history(1) == [(at(days=2), at(days=7)), (at(days=2), None)]
    # time alone, without any event, ends what was planned to end
    build(midnight(3, 20))
    assert history(1) == [(at(days=2), at(days=7)), (at(days=2), at(days=8))]


def test_an_edited_rule_is_a_new_version_for_everybody_and_the_old_one_stays(folder):
    rule(folder, 3)
    store([view("m1", "1", days=0), view("m2", "1", days=1), view("m3", "1", days=2)])
    store([view("n1", "2", days=0), view("n2", "2", days=1)])
    build(midnight(3, 4))
    before = history(1)
    rule(folder, 2)
    register()
    # until a build has evaluated it for everybody, the one before counts
    assert active() == [1]
    store([view("o1", "3", days=3)])
    build(midnight(3, 5))
    assert active() == [2]
    assert history(1) == before == [(at(days=2), None)]
    assert history(2) == [(at(days=1), None), (at(days=1), None)]
    members = (
        "select rule_version, count(*) from analytics.customer_segments"
        " where kind = 'rule' group by 1"
    )
    assert rows(members) == [(2, 2)]

    done = registry.rollback("keen", now=NOW, actor="tests")
    assert (done.version, done.before, done.members) == (1, 2, 1)
    assert rows(members) == [(1, 1)]
    audited = (
        "select subject, detail ->> 'to' from privacy.audit_log"
        " where act = 'roll back' and at >= %s"
    )
    assert rows(audited, NOW) == [("segment keen", "1")]
    (listed,) = [one for one in registry.listing() if one.kind == "rule"]
    assert (listed.version, listed.versions, listed.is_rolled_back) == (1, 2, True)
    register()
    assert active() == [1]  # until its file changes
    rule(folder, 3)
    register()
    rule(folder, 2)
    register()
    assert active() == [2]  # what was evaluated before counts at once
    assert [version.version for version in all_versions()] == [1, 2]
    with pytest.raises(NotFound, match="keen has no version 7; there is 1, 2"):
        registry.rollback("keen", 7, now=NOW, actor="tests")
    with pytest.raises(NotFound, match="no segment is called 'kene'; known are keen"):
        registry.rollback("kene", now=NOW, actor="tests")

    (folder / "keen.yml").unlink()
    register()
    assert active() == []
    assert rows(members) == []
    assert history(1) == before


def test_of_who_withdraws_or_is_erased_no_stay_is_left(folder):
    rule(folder, 1)
    store([view("m1", "1"), view("n1", "2"), view("o1", "3")])
    build(midnight(3, 4))
    assert len(history(1)) == 3
    store([event("identify", message="m2", user="1", consent=False, when=at(days=1))])
    build(midnight(3, 4))
    assert len(history(1)) == 2
    erase("u:2")
    assert len(history(1)) == 1


def test_the_sql_of_a_rule_can_be_read(folder):
    rule(folder, 3)
    register()
    shown = registry.shown("keen")
    assert "'product_view'" in shown.sql
    assert "interval '10080 minutes'" in shown.sql
    assert "at least 3 events (product_view) within 7 days" in shown.text()
