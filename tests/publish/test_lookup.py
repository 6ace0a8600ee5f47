"""Looking a customer up by any id that people know."""

from datetime import timedelta

import pytest
from redis import Redis

from footfall.errors import NotFound, NotReady, ServerUnavailable
from footfall.publish.lookup import lookup
from footfall.publish.publication import publish
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, Shop, customer


@pytest.fixture
def published(shop: Shop, redis_url: str) -> Shop:
    shop.many(
        "insert into analytics.customer_identities values (%s, %s, %s, %s, %s)",
        [
            ("a:anon-1", "anonymous", "anon-1", customer(1), AS_OF),
            ("a:user-2", "anonymous", "user-2", customer(1), AS_OF),
            ("u:new", "user", "new", customer(99), AS_OF),
        ],
    )
    shop.score()
    publish(now=NOW, actor="test")
    return shop


@pytest.mark.parametrize(
    ("known_as", "number"),
    [(customer(1), 1), ("user-1", 1), ("anon-1", 1), ("user-2", 2)],
)
def test_a_customer_is_found_by_every_id_and_a_user_id_wins(
    published: Shop, known_as: str, number: int
):
    profile = lookup(known_as, now=NOW)
    assert profile.customer_id == customer(number)
    assert profile.is_known


@pytest.mark.parametrize(
    ("name", "words"), [("nobody", "no customer 'nobody'"), ("new", "has no record")]
)
def test_an_unknown_customer_is_one_line(published: Shop, name: str, words: str):
    with pytest.raises(NotFound, match=words) as caught:
        lookup(name, now=NOW)
    assert "\n" not in str(caught.value)


def test_an_expired_score_is_not_found(published: Shop):
    with pytest.raises(NotFound, match="expired"):
        lookup("user-1", now=NOW + timedelta(hours=48))


def test_an_erased_record_is_not_found(published: Shop, keys: Redis):
    keys.delete(f"ff:{keys.get('ff:current')}:c:{customer(1)}")
    with pytest.raises(NotFound, match="no record"):
        lookup("user-1", now=NOW)


def test_an_empty_redis_is_not_found(published: Shop, keys: Redis):
    keys.flushdb()
    with pytest.raises(NotFound, match="nothing is published"):
        lookup("user-1", now=NOW)


def test_a_redis_that_is_away_is_named(published: Shop, monkeypatch: pytest.MonkeyPatch):
    set_environment(monkeypatch, redis_url="redis://127.0.0.1:1")
    with pytest.raises(ServerUnavailable, match="127.0.0.1:1"):
        lookup("user-1", now=NOW)


def test_before_the_first_build_nobody_is_known(database: str, redis_url: str):
    with pytest.raises(NotReady, match="footfall build"):
        lookup("user-1", now=NOW)
