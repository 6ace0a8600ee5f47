"""What is too different from the live version is refused, with its numbers, until accepted."""

import json

import pytest
from redis import Redis

from footfall.errors import NotFound, OutOfBounds
from footfall.publish.bounds import Bounds, Comparison, breaches
from footfall.publish.manifest import diff, explain
from footfall.publish.publication import publish
from footfall.warehouse import audit
from footfall.warehouse.connection import transaction
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, WEEK, Shop, customer

BOUNDS = Bounds(most_lost=0.2, most_shift=0.2, most_segment_change=0.6, blocks_drift=True)


def comparison(**given: object) -> Comparison:
    facts = {
        "version": "7",
        "before": 100,
        "kept": 100,
        "new": 0,
        "changed": 100,
        "segment_changed": 0,
        "means_before": {"purchase": 0.3},
        "means_after": {"purchase": 0.3},
        "days": 7.0,
        "drift": {"purchase": "moved"},
    }
    return Comparison(**{**facts, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, None),
        ({"kept": 80, "new": 500}, None),
        ({"kept": 79}, "21 of 100 customers would be gone (21.0 %, at most 20.0 %"),
        ({"means_after": {"purchase": 0.51}}, "purchase would move from 0.3000 to 0.5100"),
        ({"means_after": {"purchase": 0.09}}, "purchase would move from 0.3000 to 0.0900"),
        ({"means_after": {"churn": 0.9}}, None),
        ({"segment_changed": 61}, "61 of 100 customers would change their segment"),
        ({"segment_changed": 61, "days": 32.0}, None),
        ({"means_after": {"purchase": 0.9}, "days": 32.0}, None),
        ({"kept": 10, "days": 32.0}, "90 of 100 customers would be gone"),
        ({"drift": {"purchase": "shifted"}}, "purchase has shifted since it was trained"),
    ],
)
def test_a_breach_is_told_with_its_numbers(given: dict[str, object], words: str | None):
    found = breaches(comparison(**given), BOUNDS)
    assert len(found) == (words is not None)
    assert all(words in breach for breach in found)


def test_a_publication_that_loses_customers_is_refused_and_leaves_nothing(shop: Shop, keys: Redis):
    shop.score()
    live = publish(now=NOW, actor="test")
    shop.score(customers=[0, 1, 2])
    with pytest.raises(OutOfBounds, match=r"2 of 5 customers would be gone \(40.0 %.*--accept"):
        publish(now=NOW, actor="test")
    assert keys.get("ff:current") == live.version
    assert sorted(shop.states().values()) == ["live", "refused"]
    refused = max(shop.states(), key=int)
    assert list(keys.scan_iter(f"ff:{refused}:*")) == []
    images = shop.connection.execute("select distinct version::text from serving.published_records")
    assert images.fetchall() == [(live.version,)]
    told = explain(refused, now=NOW)
    assert "2 of 5 customers would be gone" in (told.publication.reason or "")
    assert "3 of 5 customers kept, 2 gone" in told.lines()


def test_what_was_accepted_stands_in_the_audit_log(shop: Shop, keys: Redis):
    shop.score()
    publish(now=NOW, actor="ada")
    shop.score(customers=[0, 1, 2])
    done = publish(now=NOW, actor="ada", accept=True)
    assert (done.state, done.records) == ("live", 3)
    with transaction() as connection:
        *_, last = audit.entries(connection)
    (accepted,) = json.loads(last.detail)["accepted"]
    assert (last.actor, last.act) == ("ada", "publish")
    assert accepted.startswith("2 of 5 customers would be gone")
    assert "accepted: 2 of 5" in explain(done.version, now=NOW).lines()


def test_scores_and_segments_that_leap_are_refused(
    shop: Shop, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    set_environment(monkeypatch, most_score_shift=0.0005, most_segment_change=0.5)
    shop.score()
    shop.segment(AS_OF, "champions")
    publish(now=NOW, actor="test")
    shop.score(as_of=AS_OF + WEEK)
    shop.segment(AS_OF + WEEK, "lost")
    with pytest.raises(OutOfBounds) as caught:
        publish(now=NOW, actor="test")
    told = str(caught.value)
    assert "the mean of purchase would move from 0.0010 to 0.0020" in told
    assert "the mean of churn would move" in told
    assert "5 of 5 customers would change their segment (100.0 %, at most 50.0 %" in told


def test_an_expired_publication_binds_nobody(shop: Shop, redis_url: str):
    shop.score()
    first = publish(now=NOW, actor="test")
    assert first.expires_at is not None
    shop.score(customers=[0])
    assert publish(now=first.expires_at, actor="test").records == 1


def test_two_publications_are_compared_record_by_record(shop: Shop, redis_url: str):
    shop.score()
    shop.segment(AS_OF, "champions")
    first = publish(now=NOW, actor="test")
    shop.connection.execute(
        "update analytics.customer_rfm set segment = 'lost' where customer_id = %s", (customer(4),)
    )
    shop.score(changed=[0, 1])
    second = publish(now=NOW, actor="test", full=True)
    for told in (diff(), diff(first.version, second.version)):
        seen = told.comparison
        assert (seen.before, seen.kept, seen.new) == (5, 5, 0)
        assert (seen.changed, seen.segment_changed) == (3, 1)
        assert seen.shifts["purchase"] == pytest.approx(2 * 0.001 / 5)
        assert "  champions: 5 → 4\n  lost: 0 → 1" in told.lines()
    back = diff(second.version, first.version)
    assert back.segments_after == {"champions": 5}


def test_what_nobody_knows_any_more_is_not_compared(shop: Shop, redis_url: str):
    shop.score()
    with pytest.raises(NotFound, match="no publication is live"):
        diff()
    first, second = (publish(now=NOW, actor="test") for _ in range(2))
    shop.connection.execute("delete from serving.published_records where version = 1")
    with pytest.raises(NotFound, match="what version 1 held is not known"):
        diff(first.version, second.version)


def test_a_publication_tells_what_it_contains_and_why_it_is_full(shop: Shop, redis_url: str):
    score_set = shop.score()
    shop.segment(AS_OF, "champions")
    done = publish(now=NOW, actor="test")
    told = explain(done.version, now=NOW)
    assert told.contents is not None
    assert told.contents["means"] == {"purchase": 0.001, "churn": 0.001}
    assert told.contents["segments"] == {"champions": 5}
    assert (told.full_score_set, told.publication.reason) == (score_set, "nothing is live")
    assert "why: nothing is live" in told.lines()
    assert "5 records, mean churn 0.0010, mean purchase 0.0010" in told.lines()
    assert publish(now=NOW, actor="test", full=True).reason == "asked for"
