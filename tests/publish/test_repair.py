"""What Redis has lost is noticed and published again, without a person."""

import json
import re
from collections.abc import Callable

import pytest
from redis import Redis
from typer.testing import CliRunner

from footfall.cli import app
from footfall.errors import Fenced, NotFound, NotReady, OutOfBounds
from footfall.publish.publication import publish, rollback
from footfall.publish.repair import publish_again, repair, verify
from footfall.storefront.client import Storefront
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, Shop, customer


def flush(keys: Redis) -> None:
    keys.flushall()


def fail_over_to_nothing(keys: Redis) -> None:
    keys.flushall()
    keys.function_flush()


def lose_the_pointer(keys: Redis) -> None:
    keys.delete("ff:current")


def evict(keys: Redis) -> None:
    keys.delete(f"ff:2:c:{customer(4)}")


def spoil(keys: Redis) -> None:
    keys.hset(f"ff:2:c:{customer(4)}", "purchase", "0.99")


def fail_over_to_yesterday(keys: Redis) -> None:
    keys.set("ff:current", "1", ex=1000)
    keys.hset("ff:flip", mapping={"version": "1", "epoch": "1"})


LOSSES = (
    (flush, "holds no publication any more"),
    (fail_over_to_nothing, "holds no publication any more"),
    (lose_the_pointer, "holds no publication any more"),
    (evict, "of 5 records 1 are gone"),
    (spoil, f"1 are not as written .first: {customer(4)}"),
    (fail_over_to_yesterday, "is at version 1, epoch 1; booked is version 2"),
)


@pytest.mark.parametrize(
    ("lose", "words"), LOSSES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_loss_is_noticed_and_repaired(
    shop: Shop, keys: Redis, storefront: Storefront, lose: Callable[[Redis], None], words: str
):
    shop.score()
    publish(now=NOW, actor="test")
    live = publish(now=NOW, actor="test")
    assert verify(now=NOW).problem is None
    assert repair(now=NOW, actor="test") is None
    lose(keys)

    assert re.search(words, verify(now=NOW).problem or "")
    done = repair(now=NOW, actor="test")

    assert done is not None
    assert (done.score_set, int(done.version) > int(live.version)) == (live.score_set, True)
    assert verify(now=NOW).problem is None
    assert all(storefront.get(customer(n), now=NOW).version == done.version for n in range(5))


def test_what_is_live_is_repaired_though_its_successor_was_stopped(shop: Shop, keys: Redis):
    live = shop.score()
    publish(now=NOW, actor="test")
    shop.score(verdict="stop")
    keys.flushall()
    done = repair(now=NOW, actor="test")
    assert done is not None
    assert done.score_set == live


def test_what_a_person_accepted_is_repaired_without_one(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    set_environment(monkeypatch, drift="block")
    shop.score()
    publish(now=NOW, actor="ada")
    shop.connection.execute(
        "insert into ml.drift_verdicts (score_set, model_id, as_of, verdict, measures)"
        " values (%s, 'purchase-1', %s, 'shifted', '{}')",
        (shop.score(), AS_OF),
    )
    with pytest.raises(OutOfBounds, match="purchase has shifted"):
        publish(now=NOW, actor="airflow")
    live = publish(now=NOW, actor="ada", accept=True)
    keys.flushall()
    done = repair(now=NOW, actor="airflow")
    assert done is not None
    assert done.score_set == live.score_set
    assert verify(now=NOW).problem is None


def test_what_was_damaged_is_not_put_over_what_went_live_since(shop: Shop, keys: Redis):
    shop.score()
    publish(now=NOW, actor="test")
    keys.flushall()
    damaged = verify(now=NOW)
    newer = shop.score()
    publish(now=NOW, actor="test")
    with pytest.raises(Fenced, match="score set 1 is not live any more"):
        publish_again(damaged, now=NOW, actor="test")
    assert shop.score_set_of(keys.get("ff:current")) == newer


def test_the_next_sync_publishes_in_full_where_redis_has_lost_something(shop: Shop, keys: Redis):
    shop.score()
    publish(now=NOW, actor="test")
    shop.score(changed=[])
    keys.delete(f"ff:1:c:{customer(0)}")
    done = publish(now=NOW, actor="test")
    assert (done.version, done.records) == ("2", 5)
    assert "1 of 5 records looked at are not in Redis" in (done.reason or "")


def test_a_rollback_is_no_loss(shop: Shop, redis_url: str):
    shop.score()
    publish(now=NOW, actor="test")
    publish(now=NOW, actor="test")
    rollback(now=NOW, actor="test")
    assert verify(now=NOW).problem is None


def test_nothing_to_verify_is_said_and_nothing_repaired(shop: Shop, redis_url: str):
    with pytest.raises(NotFound, match="nothing is live"):
        verify(now=NOW)
    assert repair(now=NOW, actor="test") is None


def test_a_redis_that_may_evict_is_not_repaired_but_refused(shop: Shop, keys: Redis):
    shop.score()
    publish(now=NOW, actor="test")
    keys.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(NotReady, match="noeviction"):
            repair(now=NOW, actor="test")
    finally:
        keys.config_set("maxmemory-policy", "noeviction")


def test_the_commands_tell_and_repair(shop: Shop, keys: Redis):
    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, words)
        return done.exit_code, done.stdout

    shop.score()
    assert run("publish")[0] == 0
    assert run("publications", "verify") == (0, "version 1 is live, all 5 records as written\n")
    assert "why: nothing is live" in run("publications", "explain", "1")[1]
    keys.flushall()
    code, told = run("publications", "verify", "--json")
    assert (code, "holds no publication" in json.loads(told)["problem"]) == (1, True)
    code, told = run("publications", "verify", "--repair")
    assert (code, "published version 2" in told) == (0, True)
    assert run("publications")[1].splitlines()[0].startswith("2 live set 1 5 records")
    assert run("publications", "diff")[1].startswith("version 2 beside version 1: 5 of 5 customers")
