"""A delta looks only at whom scoring and builds note as changed, and misses nobody."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from footfall.modelling.scoring import score
from footfall.privacy.erasure import erase
from footfall.publish import judging
from footfall.publish.publication import publish, rollback
from footfall.publish.store import Store
from footfall.warehouse import candidates, images, models, publications, records
from footfall.warehouse.build import build
from footfall.warehouse.changes import find_changes
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.verdicts import Verdict, as_of_subject, record_verdict
from ml.catalogue import MODEL_FEATURES
from ml.train import sha256
from tests.conftest import set_environment
from tests.modelling.shop import artefact, reference
from tests.publish.shop import NOW
from tests.warehouse.random_shop import AS_OFS, arrivals
from tests.warehouse.shop import order, rows, store

AS_OF = AS_OFS[-1]
DAY = AS_OF - timedelta(days=9)
LOADS = 5
STEADY = 300  # customers of whom nothing new comes


@pytest.fixture(autouse=True)
def small_shop(database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so small a shop change by half and still be a delta, and everybody be profiled."""
    monkeypatch.setattr(candidates, "MOST_SHARE", 9.0)
    set_environment(
        monkeypatch,
        unknown_consent="allow",
        delta_most_changed=1.0,
        most_lost_customers=1.0,
        most_segment_change=1.0,
        most_score_shift=1.0,
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_delta_finds_all_that_differs(seed: int):
    random = Random(seed)
    loads: list[list[dict[str, Any]]] = [steady(random), *([] for _ in range(LOADS))]
    for arrival in arrivals(random):
        loads[random.randrange(len(loads))].append(arrival.envelope)
    champions()
    build_and_score(loads[0])
    publish(now=NOW, actor="test", full=True)
    looked_at = [follow(load) for load in loads[1:]]
    assert min(looked_at) < records_live()


def test_an_erasure_a_rollback_and_a_later_snapshot_are_followed():
    champions()
    for load in (steady(Random(3)), [order("m1", "o1", user="new", when=DAY)]):
        build_and_score(load)
        publish(now=NOW, actor="test", full=True)
    rollback(now=NOW, actor="test")
    assert candidates_now() is not None
    assert follow([order("m2", "o2", user="newer", when=DAY)]) < STEADY
    erase("new", actor="test", now=NOW)
    assert judging.totals_of(live()) is None, "what was added up counts somebody who is gone"
    build_and_score([])
    publish_and_check()
    assert judging.totals_of(live()) is not None
    build(AS_OF + timedelta(days=1))
    assert candidates_now() is None, "what is offered to buy is that of the newest snapshot"


def test_after_a_full_refresh_or_of_another_instant_everybody_is_looked_at():
    champions()
    build_and_score(steady(Random(4)))
    publish(now=NOW, actor="test")
    build_and_score([order("m1", "o1", user="new", when=DAY)])
    assert candidates_now() is not None
    with transaction() as connection:
        connection.execute("update ml.score_sets set kept_set = null")
    assert candidates_now() is None, "the set was not compared with the live one"
    build_and_score([], full_refresh=True)
    assert candidates_now() is None


@pytest.mark.parametrize("broken", [(Store, "apply"), (images, "replace")])
def test_after_a_delta_that_broke_off_everybody_is_looked_at(
    broken: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
):
    champions()
    build_and_score(steady(Random(6)))
    publish(now=NOW, actor="test")
    build_and_score([order("m1", "o1", user="new", when=DAY)])
    with monkeypatch.context() as patch:
        patch.setattr(*broken, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish(now=NOW, actor="test")
    build_and_score([])
    assert candidates_now() is None or judging.totals_of(live()) is None
    publish_and_check()
    assert rows("select count(*) from serving.published_records where sha1 is null") == [(0,)]


def test_what_builds_noted_is_forgotten_when_nothing_live_needs_it():
    champions()
    build_and_score(steady(Random(5)))
    publish(now=NOW, actor="test")
    for number in range(3):
        build_and_score([order(f"m{number}", f"o{number}", user="new", when=DAY)])
        publish(now=NOW, actor="test", full=True)
    noted = "select distinct build_id from ops.changed_customers order by 1"
    assert rows(noted) == [(2,), (3,), (4,)], "one can go back to all of these versions"
    with transaction() as connection:
        candidates.forget_changed(connection, now=NOW + timedelta(days=9))
    assert rows(noted) == [], "the live set was scored after the last build"


def steady(random: Random) -> list[dict[str, Any]]:
    """Return orders of customers of whom nothing new comes."""
    return [
        order(
            f"s{number}-{count}",
            f"so{number}-{count}",
            {"product_id": f"p{number % 7}", "quantity": 1, "price": random.randint(1, 90)},
            user=f"steady-{number}",
            when=AS_OF - timedelta(days=random.randint(1, 80)),
        )
        for number in range(STEADY)
        for count in range(random.randint(1, 3))
    ]


def champions() -> None:
    """Store a small model of each name, not too old to score."""
    with transaction() as connection:
        for name in ("churn", "purchase"):
            data = artefact(name, honest=True, rounds=40)
            row = models.ModelRow(
                model_id=f"{name}-1",
                name=name,
                trained_at=NOW,
                as_of=AS_OF,
                sha256=sha256(data),
                params={
                    "holdout": AS_OF.isoformat(),
                    "fitted_until": AS_OF.isoformat(),
                },
                metrics={},
                features=MODEL_FEATURES,
                state="champion",
                calibration={"slope": 1.0, "intercept": 0.0},
                promoted_at=None,
            )
            models.store_model(
                connection,
                row,
                artefact=data,
                report="",
                reference=reference(name, honest=True, rounds=40),
            )


def build_and_score(load: list[dict[str, Any]], *, full_refresh: bool = False) -> None:
    """Take a load in, and score the same instant anew."""
    if load:
        store(load)
    build(AS_OF, full_refresh=full_refresh)
    with transaction() as connection:
        record_verdict(
            connection, Verdict("features", as_of_subject(AS_OF), "pass", 1, 1, 1, (), 1)
        )
    made = score(AS_OF, now=NOW)
    with transaction() as connection:
        record_verdict(connection, Verdict("scores", str(made.score_set), "pass", 1, 1, 1, (), 1))


def follow(load: list[dict[str, Any]]) -> int:
    """Build, score and publish a delta; return how many customers it looked at."""
    build_and_score(load)
    looked_at = candidates_now()
    assert looked_at is not None
    publish_and_check()
    return len(looked_at)


def publish_and_check() -> None:
    """Publish a delta, and look at everybody: nobody's record may be another than it should be."""
    done = publish(now=NOW, actor="test")
    assert done.changed is not None, done.reason
    with connect() as connection:
        row, chosen = live(), publications.newest_score_set(connection)
        assert chosen is not None
        assert chosen.score_set == row.score_set
        found = find_changes(
            connection,
            chosen,
            records.models_of(connection, chosen.score_set),
            row.version,
            now=NOW,
            due=NOW,
        )
    assert (found.written, found.gone) == ([], [])
    totals = judging.totals_of(row)
    assert totals is not None
    assert totals.segments == found.totals.segments
    assert totals.scored == found.totals.scored
    assert totals.sums == pytest.approx(found.totals.sums)
    assert totals.base_rates == found.totals.base_rates
    assert totals.records == found.totals.records == found.before == done.records


def candidates_now() -> list[str] | None:
    """Return whom a delta would look at now."""
    with connect() as connection:
        chosen = publications.newest_score_set(connection)
        assert chosen is not None
        return candidates.candidates(connection, chosen, live())


def live() -> publications.PublicationRow:
    with connect() as connection:
        row = publications.live(connection)
    assert row is not None
    return row


def records_live() -> int:
    return live().records or 0
