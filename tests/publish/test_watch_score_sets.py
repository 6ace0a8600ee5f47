"""A complete score set that waits too long to be published is told of, with the reason."""

from datetime import datetime, timedelta

import pytest

from footfall.errors import NotReady, OutOfBounds
from footfall.publish.newest import watch_score_sets
from footfall.publish.publication import publish
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, WEEK, Shop

LATER = NOW + timedelta(minutes=31)


def waits(now: datetime = LATER) -> int | None:
    awaited = watch_score_sets(now=now)
    return awaited and awaited.score_set


def test_a_set_whose_gate_never_spoke_is_told_of_after_half_an_hour(shop: Shop):
    assert waits() is None
    score_set = shop.score(verdict=None)
    assert waits(NOW + timedelta(minutes=30)) == score_set
    with pytest.raises(NotReady) as caught:
        waits()
    assert str(caught.value) == (
        "score set 1 (as of 2018-01-02T00:00:00Z) was not checked by the gate; run: footfall gate "
        f"scores; complete since {NOW:%Y-%m-%dT%H:%M:%SZ}, which is longer than "
        "FOOTFALL_UNPUBLISHED_MINUTES=30"
    )


def test_how_long_is_a_setting(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    score_set = shop.score(verdict=None)
    set_environment(monkeypatch, unpublished_minutes=31)
    assert waits() == score_set
    with pytest.raises(NotReady, match="MINUTES=31"):
        waits(LATER + timedelta(seconds=1))


def test_a_set_that_its_gate_stopped_is_told_of_until_a_newer_one_is_live(
    shop: Shop, redis_url: str
):
    shop.score(verdict="stop")
    with pytest.raises(NotReady, match="the gate stopped score set 1"):
        waits()
    shop.score()
    with pytest.raises(NotReady, match="score set 2 .* is ready by now; run: footfall publish"):
        waits()
    publish(now=NOW, actor="test")
    assert waits() is None


def test_a_set_that_was_refused_is_told_of_with_its_numbers(shop: Shop, redis_url: str):
    shop.score()
    publish(now=NOW, actor="test")
    shop.score(as_of=AS_OF + WEEK, customers=[0, 1, 2])
    with pytest.raises(OutOfBounds):
        publish(now=NOW, actor="test")
    with pytest.raises(NotReady, match=r"score set 2 .* is refused.*2 of 5 customers would be gon"):
        waits()
    publish(now=NOW, actor="test", accept=True)
    assert waits() is None


def test_a_refused_delta_is_told_of_too(
    shop: Shop, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    set_environment(monkeypatch, most_score_shift=0.0, delta_most_changed=1.0)
    shop.score()
    publish(now=NOW, actor="test")
    shop.score(changed=[0])
    with pytest.raises(OutOfBounds, match="a delta of version 1"):
        publish(now=NOW, actor="test")
    with pytest.raises(NotReady, match="a delta of version 1.* is refused"):
        waits()


def test_a_set_that_is_being_scored_or_older_than_the_live_one_is_not_told_of(
    shop: Shop, redis_url: str
):
    shop.score(as_of=AS_OF)
    publish(now=NOW, actor="test")
    shop.score(as_of=AS_OF - WEEK, verdict=None)
    assert waits() is None
    unfinished = shop.score(as_of=AS_OF + WEEK, complete=False)
    assert waits() == unfinished
