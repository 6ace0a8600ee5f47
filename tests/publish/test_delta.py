"""A delta: only what changed is written, at one step, and never older over newer."""

import json
from datetime import timedelta

import pytest
from redis import Redis

from footfall.errors import Fenced, FootfallError, OutOfBounds
from footfall.publish.manifest import explain
from footfall.publish.newest import newest_unpublished
from footfall.publish.publication import publications, publish, rollback
from footfall.publish.store import Store
from footfall.storefront.client import Storefront
from footfall.warehouse import audit
from footfall.warehouse.connection import connect, transaction
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, Shop, customer, damage_on_the_way

SIZE = 40
HOUR = timedelta(hours=1)


@pytest.fixture
def shop(database: str, redis_url: str):
    shop = Shop.open(database, size=SIZE)
    shop.score()
    publish(now=NOW, actor="test")
    yield shop
    shop.connection.close()


def purchases(storefront: Storefront) -> list[int | None]:
    """Give the set that each customer's purchase score tells; None for who is absent."""
    profiles = storefront.get_many([customer(n) for n in range(SIZE)], now=NOW).values()
    return [None if seen.purchase is None else round(seen.purchase * 1000) for seen in profiles]


def writes(keys: Redis) -> int:
    return int(keys.info("commandstats").get("cmdstat_hset", {"calls": 0})["calls"])


def test_only_the_changed_records_are_written_and_the_gone_removed(
    shop: Shop, keys: Redis, storefront: Storefront
):
    before = {key: keys.hgetall(key) for key in keys.scan_iter("ff:1:c:*")}
    score_set = shop.score(changed=[3, 7], customers=range(SIZE - 1))
    keys.config_resetstat()

    done = publish(now=NOW + HOUR, actor="test")

    assert writes(keys) == 2 + 2  # the records, what they share, and ff:flip
    assert (done.version, done.score_set, done.state) == ("1", score_set, "live")
    assert (done.changed, done.removed, done.records, done.deltas) == (2, 1, SIZE - 1, 1)
    expected: list[int | None] = [1] * SIZE
    expected[3], expected[7], expected[SIZE - 1] = score_set, score_set, None
    assert purchases(storefront) == expected
    after = {key: keys.hgetall(key) for key in keys.scan_iter("ff:*:c:*")}
    untouched = [key for key in before if key[-2:] not in ("03", "07") and before[key] != {}]
    assert [key for key in untouched if key in after and after[key] != before[key]] == []
    assert len(after) == SIZE - 1
    assert all(keys.ttl(key) > 0 for key in keys.scan_iter())
    assert publications()[0].deltas == 1


def test_a_delta_is_told_of_and_the_sensor_does_not_wait_for_its_set(shop: Shop, redis_url: str):
    score_set = shop.score(changed=[0])
    publish(now=NOW, actor="ada")
    with transaction() as connection:
        *_, last = audit.entries(connection)
    assert (last.act, last.subject) == ("publish", "publication 1")
    assert json.loads(last.detail)["delta"] == {"written": 1, "removed": 0}
    with connect() as connection:
        assert newest_unpublished(connection) is None
    told = explain("1", now=NOW)
    (delta,) = told.deltas
    assert (delta.state, delta.score_set, delta.written) == ("applied", score_set, 1)
    assert "1 of 40 records change" in told.lines()
    assert (told.full_score_set, told.publication.score_set) == (1, score_set)
    assert told.contents is not None
    assert told.contents["means"]["purchase"] == pytest.approx(0.001 + 0.001 / SIZE)


def test_a_new_segment_or_product_is_a_change_a_tenth_of_a_percentile_is_none(
    shop: Shop, storefront: Storefront
):
    shop.score(changed=[])
    shop.connection.execute("update ml.scores set percentile = percentile + 0.1")
    shop.connection.execute(
        "insert into analytics.customer_rfm values (%s, %s, 'lost')", (customer(1), AS_OF)
    )
    shop.connection.execute(
        "insert into analytics.customer_products values (%s, %s, '[\"9\"]')", (customer(2), AS_OF)
    )
    done = publish(now=NOW, actor="test")
    assert (done.changed, done.removed) == (2, 0)
    assert storefront.get(customer(1), now=NOW).segment == "lost"
    assert storefront.get(customer(2), now=NOW).products == ("9",)
    shop.score(changed=[])
    assert publish(now=NOW, actor="test").changed == 0


def test_who_is_new_comes_in_and_who_withdraws_goes(shop: Shop, storefront: Storefront):
    shop.connection.execute(
        "insert into analytics.dim_customers values (%s, true)", (customer(SIZE),)
    )
    shop.score(changed=[], customers=range(SIZE + 1))
    shop.connection.execute(
        "update analytics.dim_customers set is_profilable = false where customer_id = %s",
        (customer(5),),
    )
    done = publish(now=NOW, actor="test")
    assert (done.changed, done.removed, done.records) == (1, 1, SIZE)
    assert storefront.get(customer(SIZE), now=NOW).is_known
    assert storefront.get(customer(5), now=NOW).why == "absent"


def test_who_withdraws_while_a_delta_is_staged_is_not_in_it(
    shop: Shop, storefront: Storefront, monkeypatch: pytest.MonkeyPatch
):
    score_set = shop.score(changed=[1, 2])
    write = Store.write

    def write_then_withdraw(store, version, records):
        written = write(store, version, records)
        shop.connection.execute("delete from ml.scores where customer_id = %s", (customer(1),))
        return written

    monkeypatch.setattr(Store, "write", write_then_withdraw)
    publish(now=NOW, actor="test")
    assert storefront.get(customer(1), now=NOW).why == "absent"
    assert purchases(storefront)[2] == score_set


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda shop: shop.score(), "40 of 40 records change"),
        (lambda shop: shop.score(changed=range(5)), "5 of 40 records change"),
        (lambda shop: None, "score set 1 is live already"),
        (lambda shop: shop.score(changed=[0], models=["purchase"]), "40 of 40 records change"),
        (
            lambda shop: (
                shop.score(changed=[0]),
                shop.connection.execute(
                    "update ml.score_sets set model_ids = '{purchase-2}' where score_set = 2"
                ),
            ),
            "other models have scored",
        ),
        (
            lambda shop: (
                shop.score(changed=[0]),
                shop.connection.execute(
                    "update serving.publications"
                    " set contents = jsonb_set(contents, '{layout}', '[]')"
                ),
            ),
            "records have other fields, or another experiment, now",
        ),
        (
            lambda shop: (
                shop.score(changed=[0]),
                shop.connection.execute("delete from serving.published_records"),
            ),
            "nobody knows record by record what version 1 holds",
        ),
    ],
)
def test_what_a_delta_cannot_do_is_published_in_full(shop: Shop, prepare, why: str):
    prepare(shop)
    done = publish(now=NOW, actor="test")
    assert (done.version, done.changed) == ("2", None)
    assert why in (done.reason or "")


def test_a_full_publication_comes_before_unchanged_records_expire(shop: Shop, redis_url: str):
    for hours, version in ((23, "1"), (25, "2")):
        shop.score(changed=[0])
        assert publish(now=NOW + hours * HOUR, actor="test").version == version


def test_a_record_that_expires_soon_is_written_anew_though_nothing_changed(
    shop: Shop, storefront: Storefront
):
    shop.connection.execute(
        "update ml.scores set expires_at = %s where customer_id = %s", (NOW + HOUR, customer(6))
    )
    publish(now=NOW, actor="test")
    shop.score(changed=[])
    assert publish(now=NOW, actor="test").changed == 1
    assert storefront.get(customer(6), now=NOW + 2 * HOUR).is_known


def test_a_delta_out_of_bounds_is_refused_and_told(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    set_environment(monkeypatch, most_lost_customers=0.01)
    shop.score(changed=[], customers=range(2, SIZE))
    with pytest.raises(OutOfBounds, match="delta of version 1.*2 of 40 customers would be gone"):
        publish(now=NOW, actor="test")
    assert keys.exists(f"ff:1:c:{customer(0)}")
    (delta,) = explain("1", now=NOW).deltas
    assert (delta.state, delta.written) == ("refused", None)
    done = publish(now=NOW, actor="test", accept=True)
    assert (done.version, done.removed) == ("1", 2)
    assert "accepted: 2 of 40" in explain("1", now=NOW).lines()


def test_a_damaged_delta_is_never_applied(
    shop: Shop, keys: Redis, storefront: Storefront, monkeypatch: pytest.MonkeyPatch
):
    shop.score(changed=[1, 2])
    damage_on_the_way(monkeypatch, wrong=[1])
    with pytest.raises(FootfallError, match="1 of 2 records did not read back"):
        publish(now=NOW, actor="test")
    assert purchases(storefront) == [1] * SIZE


def test_a_newer_record_is_left_alone(shop: Shop, keys: Redis, storefront: Storefront):
    shop.score(changed=[1, 2])
    keys.hset(f"ff:1:c:{customer(1)}", "as_of", "2018-01-02T00:00:00.500000Z")
    shop.connection.execute(
        "update serving.published_records set sha1 = null where customer_id = %s", (customer(1),)
    )
    done = publish(now=NOW, actor="test")
    assert done.changed == 1
    assert (purchases(storefront)[1], purchases(storefront)[2]) == (1, 2)


def test_a_delta_of_what_is_not_live_any_more_is_fenced_out(
    shop: Shop, storefront: Storefront, monkeypatch: pytest.MonkeyPatch
):
    shop.score(changed=[1])
    write = Store.write

    def write_then_overtake(store, version, records):
        written = write(store, version, records)
        monkeypatch.setattr(Store, "write", write)
        publish(now=NOW, actor="faster")
        return written

    monkeypatch.setattr(Store, "write", write_then_overtake)
    with pytest.raises(Fenced, match="came too late"):
        publish(now=NOW, actor="slower")
    assert purchases(storefront)[1] == 2
    shop.score(changed=[1, 2])
    assert publish(now=NOW, actor="test").changed == 2


def test_rollback_goes_back_beyond_deltas_and_forward_to_the_last_of_them(
    shop: Shop, storefront: Storefront
):
    publish(now=NOW, actor="test", full=True)
    shop.score(changed=[0])
    publish(now=NOW, actor="test")
    rollback(now=NOW, actor="test")
    assert purchases(storefront) == [1] * SIZE
    forward = rollback(now=NOW, actor="test")
    assert (forward.version, forward.score_set, forward.records) == ("2", 2, SIZE)
    assert purchases(storefront) == [2] + [1] * (SIZE - 1)
