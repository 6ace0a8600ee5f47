"""Publishing: what is published, what is refused, what rollback goes back to."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from footfall.errors import (
    BadArgument,
    FootfallError,
    GateStopped,
    NotFound,
    NotReady,
    ServerUnavailable,
)
from footfall.publish.publication import publications, publish, rollback
from footfall.publish.repair import verify
from footfall.publish.store import Store
from footfall.storefront.client import Storefront
from footfall.warehouse import audit
from footfall.warehouse.connection import transaction
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, WEEK, Shop, customer, damage_on_the_way

TTL = timedelta(hours=48)


def test_a_published_customer_reads_back_as_scored(shop: Shop, storefront: Storefront):
    score_set = shop.score()
    shop.segment(AS_OF, "champions")
    shop.many(
        "insert into analytics.customer_products values (%s, %s, %s)",
        [(customer(1), AS_OF, json.dumps(["101", "102"]))],
    )

    done = publish(now=NOW, actor="test")

    profile = storefront.get(customer(1), now=NOW)
    assert (profile.status, profile.version) == ("fresh", done.version)
    assert (profile.purchase, profile.churn) == (score_set / 1000, score_set / 1000)
    assert (profile.purchase_percentile, profile.churn_percentile) == (
        score_set / 10,
        score_set / 10,
    )
    assert (profile.segment, profile.products) == ("champions", ("101", "102"))
    assert profile.models == {"purchase": "purchase-1", "churn": "churn-1"}
    assert profile.reasons["churn"] == (f"more likely: because of set {score_set}",)
    assert (profile.as_of, profile.scored_at, profile.expires_at) == (AS_OF, NOW, NOW + TTL)
    assert (done.records, done.state, done.score_set) == (5, "live", score_set)


def test_who_published_and_who_rolled_back_stands_in_the_audit_log(shop: Shop):
    shop.score()
    first = publish(now=NOW, actor="ada")
    second = publish(now=NOW, actor="airflow")
    rollback(now=NOW, actor="ada")
    with transaction() as connection:
        told = [(e.actor, e.act, e.subject) for e in audit.entries(connection)]
    assert told == [
        ("ada", "publish", f"publication {first.version}"),
        ("airflow", "publish", f"publication {second.version}"),
        ("ada", "roll back", f"publication {first.version}"),
    ]


def test_every_key_has_a_ttl_that_ends_at_expires_at(shop: Shop, keys: Redis):
    shop.score()
    publish(now=NOW, actor="test")
    shop.score(as_of=AS_OF + WEEK)
    publish(now=NOW, actor="test")
    found = {key: keys.expiretime(key) for key in keys.scan_iter()}
    assert len(found) == 2 * 5 + 2
    assert set(found.values()) == {int((NOW + TTL).timestamp())}


def test_what_the_storefront_hash_holds_is_flat_and_readable(shop: Shop, keys: Redis):
    shop.score()
    version = publish(now=NOW, actor="test").version
    assert keys.get("ff:current") == version
    fields = keys.hgetall(f"ff:{version}:c:{customer(0)}")
    assert fields["purchase"] == "0.001"
    assert fields["as_of"] == "2018-01-02T00:00:00Z"
    assert json.loads(fields["products"]) == []


def test_an_absent_model_leaves_its_fields_absent(shop: Shop, keys: Redis, storefront: Storefront):
    shop.score(models=["purchase"])
    version = publish(now=NOW, actor="test").version
    assert not {"churn", "churn_percentile"} & set(keys.hgetall(f"ff:{version}:c:{customer(0)}"))
    profile = storefront.get(customer(0), now=NOW)
    assert profile.is_known
    assert profile.churn is None


def test_the_newest_as_of_is_published_not_the_newest_number(shop: Shop):
    newest = shop.score(as_of=AS_OF + WEEK)
    shop.score(as_of=AS_OF)
    shop.score(as_of=AS_OF + 2 * WEEK, complete=False)
    assert publish(now=NOW, actor="test").score_set == newest


def test_nothing_later_than_the_sets_as_of_is_published(shop: Shop, storefront: Storefront):
    shop.score()
    shop.segment(AS_OF + WEEK, "lost")
    shop.many(
        "insert into analytics.customer_products values (%s, %s, %s)",
        [(customer(0), AS_OF + WEEK, json.dumps(["999"]))],
    )
    publish(now=NOW, actor="test")
    profile = storefront.get(customer(0), now=NOW)
    assert (profile.segment, profile.products) == (None, ())


def test_who_may_not_be_profiled_now_is_not_published(shop: Shop, storefront: Storefront):
    shop.score()
    shop.connection.execute(
        "update analytics.dim_customers set is_profilable = false where customer_id = %s",
        (customer(2),),
    )
    assert publish(now=NOW, actor="test").records == 4
    assert storefront.get(customer(2), now=NOW).why == "absent"


def test_an_expired_score_is_not_brought_back_by_publishing_it(shop: Shop, storefront: Storefront):
    score_set = shop.score(expires_at=NOW + timedelta(hours=3))
    shop.connection.execute(
        "update ml.scores set expires_at = %s where customer_id = %s", (NOW, customer(4))
    )
    done = publish(now=NOW, actor="test")
    assert (done.records, done.expires_at) == (4, NOW + timedelta(hours=3))
    assert storefront.get(customer(4), now=NOW).why == "absent"
    for hours in (2.95, 3):
        with pytest.raises(NotReady, match=f"score set {score_set} has no score that is fresh"):
            publish(now=NOW + timedelta(hours=hours), actor="test")


def test_a_score_that_ends_while_it_is_published_does_not_fail_the_others(
    shop: Shop, storefront: Storefront
):
    now = datetime.now(UTC)
    shop.score()
    for moments in range(4):
        shop.connection.execute(
            "update ml.scores set expires_at = %s where customer_id = %s",
            (now + timedelta(milliseconds=20 * moments), customer(moments)),
        )
    assert publish(now=now, actor="test").records == 1
    assert [storefront.get(customer(n), now=now).is_known for n in (3, 4)] == [False, True]


@pytest.mark.parametrize(
    ("verdicts", "error"),
    [(["stop"], GateStopped), (["pass", "stop"], GateStopped), ([], NotReady)],
)
def test_a_set_that_its_gate_did_not_pass_is_refused(
    shop: Shop, keys: Redis, verdicts: list[str], error: type[FootfallError]
):
    score_set = shop.score(verdict=None)
    for verdict in verdicts:
        shop.judge(score_set, verdict)
    with pytest.raises(error, match=f"score set {score_set}"):
        publish(now=NOW, actor="test")
    assert keys.dbsize() == 0
    assert shop.states() == {}


def test_a_set_with_a_warning_is_published(shop: Shop, redis_url: str):
    shop.score(verdict="warn")
    assert publish(now=NOW, actor="test").state == "live"


def test_without_any_score_set_the_remedy_is_named(shop: Shop, redis_url: str):
    with pytest.raises(NotReady, match="footfall score"):
        publish(now=NOW, actor="test")


def test_a_publication_of_nobody_is_refused(shop: Shop, keys: Redis):
    shop.score()
    live = publish(now=NOW, actor="test").version
    shop.connection.execute("update analytics.dim_customers set is_profilable = null")
    shop.score(as_of=AS_OF + WEEK)
    with pytest.raises(NotReady, match="none of its 5 may be profiled"):
        publish(now=NOW, actor="test")
    assert keys.get("ff:current") == live
    assert sorted(shop.states().values()) == ["abandoned", "live"]


def test_an_unbuilt_warehouse_is_named(database: str, shop: Shop, redis_url: str):
    shop.score()
    shop.connection.execute("drop table analytics.customer_rfm")
    with pytest.raises(NotReady, match="footfall build"):
        publish(now=NOW, actor="test")


def test_a_redis_that_evicts_is_refused(shop: Shop, keys: Redis):
    shop.score()
    keys.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(NotReady, match="maxmemory-policy=allkeys-lru.*noeviction"):
            publish(now=NOW, actor="test")
    finally:
        keys.config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_fills_up_keeps_the_live_version(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    shop.score()
    live = publish(now=NOW, actor="test").version
    write = Store.write

    def write_to_the_brim(store, version, records):
        keys.config_set("maxmemory", 1)
        return write(store, version, records)

    monkeypatch.setattr(Store, "write", write_to_the_brim)
    try:
        with pytest.raises(FootfallError, match="refused: .*maxmemory"):
            publish(now=NOW, actor="test")
    finally:
        keys.config_set("maxmemory", 0)
    assert keys.get("ff:current") == live
    assert sorted(shop.states().values()) == ["abandoned", "live"]


def test_a_redis_that_is_away_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    shop.score()
    set_environment(monkeypatch, redis_url="redis://:secret@127.0.0.1:1")
    with pytest.raises(ServerUnavailable, match="127.0.0.1:1 ") as caught:
        publish(now=NOW, actor="test")
    assert "secret" not in str(caught.value)


def test_scores_that_redis_would_drop_at_once_are_refused(shop: Shop, redis_url: str):
    shop.score()
    with pytest.raises(NotReady, match="the clock of Redis"):
        publish(now=NOW - timedelta(days=3), actor="test")


def test_publishing_the_same_set_again_makes_a_new_version_of_it(shop: Shop, redis_url: str):
    shop.score()
    first, second = publish(now=NOW, actor="test"), publish(now=NOW, actor="test")
    assert int(second.version) > int(first.version)
    assert second.score_set == first.score_set
    assert shop.states() == {first.version: "previous", second.version: "live"}


def test_publications_are_listed_newest_first_and_expired_in_time(shop: Shop, redis_url: str):
    shop.score()
    first, second = publish(now=NOW, actor="test"), publish(now=NOW, actor="test")
    assert [row.version for row in publications()] == [second.version, first.version]
    assert {row.state for row in publications(now=NOW + TTL)} == {"expired"}
    assert asdict(publications()[0]) == {**asdict(second), "seconds": None}


def test_rollback_goes_back_and_forth(shop: Shop, storefront: Storefront):
    one, two = shop.score(), shop.score()
    shop.judge(two, "stop")
    shop.connection.execute(
        "update ml.score_sets set completed_at = null where score_set = %s", (two,)
    )
    first = publish(now=NOW, actor="test")
    shop.connection.execute("update ml.score_sets set completed_at = %s", (NOW,))
    shop.judge(two, "pass")
    second = publish(now=NOW, actor="test")

    back = rollback(now=NOW, actor="test")
    assert (back.version, back.score_set, back.records) == (first.version, one, 5)
    assert storefront.get(customer(0), now=NOW).version == first.version
    assert shop.states() == {first.version: "live", second.version: "previous"}
    assert back.epoch > second.epoch

    assert rollback(now=NOW, actor="test").version == second.version
    assert rollback(first.version, now=NOW, actor="test").version == first.version


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        (None, NotFound, "none was live before"),
        ("99", NotFound, "no publication 99"),
        ("latest", BadArgument, "'latest' is no number"),
        ("1", BadArgument, "live already"),
    ],
)
def test_a_rollback_to_nowhere_is_refused(
    shop: Shop, redis_url: str, version: str | None, error: type[FootfallError], words: str
):
    shop.score()
    publish(now=NOW, actor="test")
    with pytest.raises(error, match=words):
        rollback(version, now=NOW, actor="test")


def test_a_rollback_to_expired_scores_is_refused(shop: Shop, redis_url: str):
    shop.score()
    publish(now=NOW, actor="test")
    publish(now=NOW + timedelta(hours=1), actor="test")
    with pytest.raises(NotReady, match="expired at"):
        rollback(now=NOW + TTL, actor="test")


def test_a_rollback_to_a_publication_with_lost_records_is_refused(shop: Shop, keys: Redis):
    shop.score()
    first, second = publish(now=NOW, actor="test"), publish(now=NOW, actor="test")
    keys.delete(f"ff:{first.version}:c:{customer(3)}")
    with pytest.raises(NotFound, match=r"1 of 5 records are gone"):
        rollback(now=NOW, actor="test")
    assert keys.get("ff:current") == second.version


def test_a_rollback_does_not_bring_back_the_erased_or_the_unwilling(
    shop: Shop, keys: Redis, storefront: Storefront
):
    shop.score()
    first = publish(now=NOW, actor="test")
    publish(now=NOW, actor="test")
    shop.connection.execute(
        "update analytics.dim_customers set is_profilable = false where customer_id = %s",
        (customer(0),),
    )
    shop.connection.execute("delete from ml.scores where customer_id = %s", (customer(1),))
    keys.delete(f"ff:{first.version}:c:{customer(1)}")

    back = rollback(now=NOW, actor="test")

    assert back.records == 3
    known = storefront.get_many([customer(n) for n in range(5)], now=NOW)
    assert [profile.is_known for profile in known.values()] == [False, False, True, True, True]


def test_who_withdraws_while_a_publication_is_written_is_not_in_it(
    shop: Shop, storefront: Storefront, monkeypatch: pytest.MonkeyPatch
):
    shop.score()
    write = Store.write

    def write_then_withdraw(store, version, records):
        written = write(store, version, records)
        shop.connection.execute("delete from ml.scores where customer_id = %s", (customer(1),))
        return written

    monkeypatch.setattr(Store, "write", write_then_withdraw)
    assert publish(now=NOW, actor="test").records == 4
    assert storefront.get(customer(1), now=NOW).why == "absent"


def test_a_server_as_it_comes_keeps_records_as_tables_and_they_read_back(shop: Shop, keys: Redis):
    shop.score()
    compact = keys.config_get("hash-max-listpack-value")["hash-max-listpack-value"]
    keys.config_set("hash-max-listpack-value", 8)
    try:
        version = publish(now=NOW, actor="test").version
        assert keys.object("encoding", f"ff:{version}:c:{customer(1)}") == "hashtable"
        assert verify(now=NOW).problem is None
        keys.hset(f"ff:{version}:c:{customer(1)}", "purchase", "0.9")
        assert "1 are not as written" in (verify(now=NOW).problem or "")
    finally:
        keys.config_set("hash-max-listpack-value", compact)


def test_records_that_did_not_arrive_as_written_are_never_live(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    shop.score()
    damage_on_the_way(monkeypatch, wrong=[1], longer=[2], lost=[3])
    with pytest.raises(FootfallError, match="3 of 5 records did not read back"):
        publish(now=NOW, actor="test")
    assert keys.get("ff:current") is None
    assert {name for name in keys.keys("ff:1:c:*") if keys.ttl(name) < 0} == set()
    assert not keys.exists(*(f"ff:1:c:{customer(number)}" for number in (1, 2, 3)))


def test_a_new_database_beside_an_old_redis_can_publish(
    shop: Shop, keys: Redis, storefront: Storefront
):
    shop.score()
    publish(now=NOW, actor="test")
    newest = publish(now=NOW, actor="test")
    shop.connection.execute(
        "truncate serving.publications restart identity; alter sequence serving.epochs restart"
    )
    done = publish(now=NOW, actor="test")
    assert int(done.version) > int(newest.version)
    assert done.epoch > newest.epoch
    assert storefront.get(customer(0), now=NOW).version == done.version
