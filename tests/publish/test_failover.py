"""Publishing goes on with the master that sentinels name, and refuses a cluster in one line."""

import signal
from pathlib import Path

import pytest
from redis import Redis

from footfall.errors import BadArgument, ServerUnavailable
from footfall.privacy.erasure import erase
from footfall.publish.publication import Publication, publish
from footfall.publish.repair import verify
from footfall.showcase import is_published
from footfall.stack.redis import check_external
from footfall.storefront.client import Storefront
from tests.conftest import set_environment
from tests.publish.shop import NOW, Shop, customer
from tests.storefront.servers import NAME, until, watched_pair

CLUSTER = "redis+cluster://:secret@127.0.0.1:1"


def attempt(done: list[Publication], told: list[str]) -> bool:
    """Publish, or note what is told instead."""
    try:
        done.append(publish(now=NOW, actor="test"))
    except ServerUnavailable as error:
        told.append(str(error))
        return False
    return True


def test_publishing_and_erasing_follow_a_failover(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with watched_pair(tmp_path) as (ports, processes, sentinel), Redis(port=ports[0]) as master:
        url = f"redis+sentinel://127.0.0.1:{sentinel}/{NAME}"
        set_environment(monkeypatch, redis_url=url)
        check_external(url)
        shop.score()
        publish(now=NOW, actor="test")
        assert master.wait(1, 10_000) == 1
        processes[0].send_signal(signal.SIGKILL)
        second = shop.score()
        done: list[Publication] = []
        told: list[str] = []
        until(lambda: attempt(done, told), "the replica is published to")
        place = f"Redis at 127.0.0.1:{sentinel} does not answer"
        assert all(line.startswith(place) for line in told)
        assert (done[0].score_set, done[0].records) == (second, 5)
        assert verify(now=NOW).problem is None
        assert is_published(NOW)
        with Redis(port=ports[1], decode_responses=True) as successor:
            assert successor.get("ff:current") == done[0].version
        assert erase(customer(1), actor="test", now=NOW).redis_keys == 2
        with Storefront(url, timeout=5) as storefront:
            seen = storefront.get_many([customer(0), customer(1)], now=NOW)
        assert [one.is_known for one in seen.values()] == [True, False]


def test_a_cluster_is_refused_in_one_line(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    set_environment(monkeypatch, redis_url=CLUSTER)
    shop.score()
    with pytest.raises(BadArgument) as refused:
        publish(now=NOW, actor="test")
    assert str(refused.value) == (
        "FOOTFALL_REDIS_URL: 127.0.0.1:1 is a cluster, and Footfall cannot publish to one; give "
        "one server, or the master that sentinels name (docs/redis.md: Where Redis is)"
    )
    with pytest.raises(BadArgument, match="FOOTFALL_REDIS_URL: 127.0.0.1:1 is a cluster"):
        erase(customer(1), actor="test", now=NOW)
    with pytest.raises(ServerUnavailable, match="cannot publish to one") as caught:
        check_external(CLUSTER)
    assert "secret" not in str(caught.value)
    set_environment(monkeypatch, redis_url="https://127.0.0.1")
    with pytest.raises(BadArgument, match="FOOTFALL_REDIS_URL: https:// is no kind of Redis"):
        publish(now=NOW, actor="test")
