"""Erased means gone: from events, tables, scores and Redis; and a replay cannot bring them back."""

import threading
from typing import Any

import psycopg
import pytest
from redis import Redis

from footfall.errors import NotFound, ServerUnavailable
from footfall.privacy.audit_log import verify
from footfall.privacy.erasure import erase, needles, rejects_about
from footfall.publish.store import staged_version
from footfall.storefront.record import record_key
from footfall.warehouse.build_plan import BUILDING
from footfall.warehouse.erasures import RejectedRecord
from footfall.warehouse.publications import begin_delta
from tests.conftest import set_environment
from tests.privacy import shop
from tests.privacy.shop import DAY, NOW, event, load, mentions, name_of

Connection = psycopg.Connection[Any]

ADA, BOB = "ada-lovelace-1815", "bob-1"
PHONE, TABLET = "phone-7f3a9c", "tablet-d41d8c"
CUSTOMERS = {f"u:{ADA}": [f"u:{ADA}", f"a:{PHONE}"], f"u:{BOB}": [f"u:{BOB}"]}


def journey() -> list[shop.Event]:
    """Ada visits by phone, logs in and buys; Bob visits."""
    order = {"order_id": "o1", "revenue": 5, "products": [{"product_id": "p", "price": 5}]}
    return [
        event(anonymous=PHONE),
        event(user=ADA, anonymous=PHONE, type="identify", traits={"name": "Ada"}),
        event(user=ADA, type="track", event="Order Completed", properties=order),
        event(user=BOB),
    ]


@pytest.fixture
def stored(connection: Connection, redis_url: str) -> list[shop.Event]:
    """Give the events that were loaded, built, scored and published."""
    events = journey()
    load(connection, events, offset=0)
    shop.build(connection, CUSTOMERS)
    shop.score(connection, CUSTOMERS)
    return events


def ask(customer: str) -> Any:
    return erase(customer, actor="officer", now=NOW)


def refs(connection: Connection) -> set[str]:
    return {ref for (ref,) in connection.execute("select customer_ref from raw.events")}


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("customer", [ADA, PHONE, name_of(f"u:{ADA}")])
def test_a_customer_is_found_by_any_of_their_ids_and_is_gone_everywhere(
    connection: Connection, customer: str
) -> None:
    done = ask(customer)

    assert done.customer_id == name_of(f"u:{ADA}")
    assert done.refs == 2
    assert done.rows_erased["raw.events"] == 3
    assert done.rows_erased["analytics.fct_order_lines"] == 2
    for word in (ADA, PHONE, "Ada", name_of(f"u:{ADA}"), name_of(f"a:{PHONE}")):
        assert mentions(connection, word) == []


@pytest.mark.usefixtures("stored")
def test_others_keep_every_row(connection: Connection) -> None:
    before = mentions(connection, BOB), mentions(connection, name_of(f"u:{BOB}"))

    ask(ADA)

    assert (mentions(connection, BOB), mentions(connection, name_of(f"u:{BOB}"))) == before
    assert "analytics.fct_order_lines" in before[0]
    assert connection.execute("select records from ml.score_sets").fetchone() == (1,)


def test_a_replay_cannot_bring_them_back(connection: Connection, stored: list[shop.Event]) -> None:
    ask(ADA)

    again = load(connection, stored, offset=0)
    elsewhere = load(connection, stored)
    later = load(connection, [event(user=ADA), event(anonymous=PHONE), event(user=BOB)])

    assert (again.stored, again.rejected) == (0, 3)
    assert (elsewhere.stored, elsewhere.rejected, elsewhere.duplicates) == (0, 3, 1)
    assert (later.stored, later.rejected) == (1, 2)
    assert refs(connection) == {f"u:{BOB}"}
    assert mentions(connection, ADA) == mentions(connection, PHONE) == []
    reasons = connection.execute("select distinct reason, raw from raw.rejected_events").fetchall()
    assert reasons == [("erased", None)]


def test_what_no_build_has_seen_is_erased_too(
    connection: Connection, stored: list[shop.Event]
) -> None:
    load(
        connection,
        [
            event(anonymous=TABLET),
            event(user=ADA, anonymous=TABLET),
            event(user=ADA, type="alias", previousId="old-cookie"),
            event(anonymous="old-cookie"),
        ],
    )

    # an alias does not say whether the previous id was anonymous: it counts as both
    assert ask(ADA).refs == 5
    assert refs(connection) == {f"u:{BOB}"}
    assert mentions(connection, TABLET) == mentions(connection, "old-cookie") == []


def test_a_customer_whom_no_build_has_seen_can_be_erased(
    connection: Connection, redis_url: str
) -> None:
    load(connection, journey())

    assert ask(PHONE).refs == 2
    assert refs(connection) == {f"u:{BOB}"}


@pytest.mark.usefixtures("stored")
def test_of_a_shared_device_only_what_others_signed_in_for_stays(connection: Connection) -> None:
    load(connection, [event(user=BOB, anonymous=TABLET), event(anonymous=TABLET)])
    load(connection, [event(user=ADA, anonymous=TABLET), event(user=BOB, anonymous=TABLET)])

    ask(ADA)

    assert refs(connection) == {f"u:{BOB}"}
    assert connection.execute("select count(*) from raw.events").fetchone() == (3,)
    later = load(connection, [event(anonymous=TABLET), event(user=BOB, anonymous=TABLET)])
    assert (later.stored, later.rejected) == (1, 1)


@pytest.mark.usefixtures("stored")
def test_rejected_records_of_the_customer_lose_their_bytes(connection: Connection) -> None:
    kept = b'{"type": "track", "userId": "bob-1"'
    load(connection, [f'{{"type": "track", "userId": "{ADA}"'.encode(), kept])
    load(connection, [event(user=ADA, type="track", event="Nobody Knows This")])

    done = ask(ADA)

    assert done.rows_erased["raw.rejected_events"] == 2
    assert mentions(connection, ADA) == []
    rows = connection.execute("select raw from raw.rejected_events where raw is not null")
    assert rows.fetchall() == [(kept,)]


def test_an_id_inside_another_word_or_number_is_nobodys() -> None:
    def chosen(raw: bytes) -> bool:
        record = RejectedRecord("k", "t", "", 0, 0, raw, DAY)
        return rejects_about({"u:17"}, [record]) == [record]

    assert chosen(b'{"userId": "17"')
    assert chosen(b'{"user_id":17,')
    assert chosen(b'{"x": ["17"')
    assert not chosen(b'{"quantity": 17, "at": "2017-01-17"')
    assert not chosen(b'{"userId": "171"')
    assert not chosen(b'{"userId": 171')
    assert not chosen(b'{"type": "track", "userId": "18", "event": "17"}')


def test_an_id_is_looked_for_as_utf8_and_escaped() -> None:
    assert needles({"u:zoë"}) == ["zoë".encode(), b"zo\\u00eb"]


@pytest.mark.usefixtures("stored")
def test_redis_forgets_them_in_every_publication(connection: Connection, redis_url: str) -> None:
    versions = [shop.publish(connection, 1, s) for s in ("previous", "live", "building")]
    ada, bob = name_of(f"u:{ADA}"), name_of(f"u:{BOB}")
    begin_delta(connection, 9, int(versions[1]), 1)
    versions.append(staged_version(int(versions[1]), 9))
    for name in (ada, bob):
        connection.execute(
            "insert into serving.published_records (version, customer_id, expires_at)"
            " values (1, %s, now())",
            (name,),
        )
        connection.execute("insert into ops.changed_customers values (7, %s)", (name,))
    with Redis.from_url(redis_url) as client:
        for version in versions:
            client.hset(record_key(version, ada), "purchase", "0.5")
            client.hset(record_key(version, bob), "purchase", "0.5")

        assert ask(ADA).redis_keys == 4
        assert not client.exists(*[record_key(version, ada) for version in versions])
        assert client.exists(*[record_key(version, bob) for version in versions]) == 4
    left = connection.execute("select customer_id from serving.published_records").fetchall()
    assert left == [(bob,)]
    changed = connection.execute("select customer_id from ops.changed_customers").fetchall()
    assert changed == [(bob,)]


@pytest.mark.usefixtures("stored")
def test_when_redis_is_away_erasing_again_finishes(
    connection: Connection, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = shop.publish(connection, 1, "live")
    key = record_key(version, name_of(f"u:{ADA}"))
    with Redis.from_url(redis_url) as client:
        client.hset(key, "purchase", "0.5")
        with monkeypatch.context() as away:
            set_environment(away, redis_url="redis://127.0.0.1:1/0")
            with pytest.raises(ServerUnavailable, match="127.0.0.1:1 does not answer"):
                ask(ADA)
        set_environment(monkeypatch, redis_url=redis_url)

        assert mentions(connection, ADA) == []
        assert client.exists(key)
        again = ask(ADA)
        assert (again.rows_erased, again.redis_keys) == ({}, 1)
        assert not client.exists(key)


@pytest.mark.usefixtures("stored")
def test_erasing_twice_says_that_they_are_gone(connection: Connection) -> None:
    ask(ADA)

    for customer in (ADA, PHONE, name_of(f"u:{ADA}")):
        with pytest.raises(NotFound, match="is no more: erased at"):
            ask(customer)


@pytest.mark.usefixtures("stored")
def test_nobody_is_not_found(connection: Connection) -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        ask("nobody")

    assert verify().entries == 0


@pytest.mark.usefixtures("stored")
def test_the_audit_log_tells_of_it_without_personal_data(connection: Connection) -> None:
    ask(ADA)

    (entry,) = connection.execute("select actor, act, at, detail from privacy.audit_log").fetchall()
    assert entry[:3] == ("officer", "erase", NOW)
    assert entry[3]["rows"]["raw.events"] == 3
    assert verify().intact


@pytest.mark.usefixtures("stored")
def test_lists_of_refs_in_others_rows_lose_the_customers(connection: Connection) -> None:
    connection.execute(
        "update intermediate.int_links set displaced_refs = %s where parent_ref = %s",
        ([f"a:{PHONE}", "u:z"], f"u:{BOB}"),
    )

    ask(ADA)

    rows = connection.execute("select child_ref, displaced_refs from intermediate.int_links")
    assert rows.fetchall() == [(f"u:{BOB}", ["u:z"])]


@pytest.mark.usefixtures("stored")
def test_an_erasure_waits_for_a_running_build(connection: Connection, database: str) -> None:
    done: list[Any] = []
    with psycopg.connect(database) as building:
        building.execute(f"select pg_advisory_lock({BUILDING})")
        eraser = threading.Thread(target=lambda: done.append(ask(ADA)))
        eraser.start()
        _wait_for_a_waiting_lock(connection, "advisory")
        assert f"u:{ADA}" in refs(connection)
        building.execute(f"select pg_advisory_unlock({BUILDING})")
    eraser.join(30)

    assert done[0].rows_erased["raw.events"] == 3


@pytest.mark.usefixtures("stored")
def test_a_load_under_way_is_waited_for_and_its_rows_go_too(
    connection: Connection, database: str
) -> None:
    done: list[Any] = []
    with psycopg.connect(database, autocommit=True) as loader, loader.transaction():
        load(loader, [event(user=ADA)])
        eraser = threading.Thread(target=lambda: done.append(ask(ADA)))
        eraser.start()
        _wait_for_a_waiting_lock(connection, "relation")
    eraser.join(30)

    assert done[0].rows_erased["raw.events"] == 4
    assert refs(connection) == {f"u:{BOB}"}


def _wait_for_a_waiting_lock(connection: Connection, kind: str) -> None:
    waiting = "select from pg_locks where not granted and locktype = %s"
    while not connection.execute(waiting, (kind,)).fetchall():
        pass
