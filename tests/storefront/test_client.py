"""The reader: one round trip, one publication, and "unknown" instead of anything worse."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from footfall.publish import store
from footfall.storefront.client import MOST_CUSTOMERS, AsyncStorefront, Storefront
from footfall.storefront.record import (
    Fallback,
    Profile,
    encode,
    encode_fallback,
    fallback_key,
    record_key,
)

NOW = datetime.now(UTC)  # Redis expires keys by its own clock
Read = Callable[..., dict[str, Profile]]


@pytest.fixture
def server(redis_url: str) -> Iterator[Redis]:
    """A Redis with the functions, and publication 7 of one customer, c1."""
    with Redis.from_url(redis_url, decode_responses=True) as client:
        client.function_load(Path(store.FUNCTIONS).read_text(), replace=True)
        publish(client, "7")
        yield client


def publish(client: Redis, version: str, customer_id: str = "c1") -> None:
    profile = Profile(
        customer_id=customer_id, version=version, purchase=0.5, expires_at=NOW + timedelta(hours=1)
    )
    client.hset(record_key(version, customer_id), mapping=encode(profile))
    client.set("ff:current", version)


def read_blocking(url: str, *names: str, timeout: float = 5, now: datetime = NOW, **options):
    with Storefront(url, timeout=timeout, fallback_products=["gift-card"], **options) as storefront:
        return storefront.get_many(names, now=now)


def read_async(url: str, *names: str, timeout: float = 5, now: datetime = NOW, **options):
    async def read() -> dict[str, Profile]:
        async with AsyncStorefront(
            url, timeout=timeout, fallback_products=["gift-card"], **options
        ) as storefront:
            return await storefront.get_many(names, now=now)

    return asyncio.run(read())


@pytest.fixture(
    params=[
        pytest.param(partial(way, pointer_seconds=seconds), id=f"{way.__name__}-{seconds}")
        for way in (read_blocking, read_async)
        for seconds in (0, 60)
    ]
)
def read(request: pytest.FixtureRequest) -> Read:
    return request.param


def test_a_known_and_an_unknown_customer_in_one_read(server: Redis, redis_url: str, read: Read):
    known, unknown = read(redis_url, "c1", "c2").values()
    assert (known.status, known.purchase, known.version) == ("fresh", 0.5, "7")
    assert (unknown.status, unknown.why, unknown.purchase) == ("unknown", "absent", None)
    assert unknown.products == ("gift-card",)


def test_an_expired_record_that_redis_still_has_is_unknown(
    server: Redis, redis_url: str, read: Read
):
    assert read(redis_url, "c1", now=NOW + timedelta(hours=1))["c1"].why == "expired"


def test_an_empty_redis_has_published_nothing(redis_url: str, read: Read):
    assert read(redis_url, "c1")["c1"].why == "unpublished"


def test_a_server_that_lost_its_functions_is_read_all_the_same(
    server: Redis, redis_url: str, read: Read
):
    server.function_flush()
    known, unknown = read(redis_url, "c1", "c2").values()
    assert (known.purchase, unknown.why) == (0.5, "absent")


def test_a_redis_that_is_away_makes_customers_unknown(read: Read):
    profile = read("redis://127.0.0.1:1", "c1")["c1"]
    assert (profile.status, profile.why) == ("unknown", "unavailable")
    assert profile.products == ("gift-card",)


@pytest.mark.parametrize(
    "url", ["redis://{0}", "redis+cluster://{0}", "redis+sentinel://{0},{1}/shop"]
)
def test_a_redis_that_does_not_answer_in_time_makes_customers_unknown(read: Read, url: str):
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        places = [f"127.0.0.1:{one.getsockname()[1]}" for one in (first, second)]
        started = perf_counter()
        profile = read(url.format(*places), "c1", timeout=0.05)["c1"]
        assert profile.why == "unavailable"
        assert perf_counter() - started < 2


def test_a_wrong_password_is_an_error_not_an_unknown_customer(
    server: Redis, redis_url: str, read: Read
):
    place = urlsplit(redis_url)
    with pytest.raises(AuthenticationError):
        read(f"redis://nobody:wrong@{place.hostname}:{place.port}", "c1")


def test_an_account_may_be_narrowed_to_reading(server: Redis, redis_url: str, read: Read):
    place = urlsplit(redis_url)
    account = f"redis://shop:secret@{place.hostname}:{place.port}"
    server.execute_command(*"ACL SETUSER shop on >secret ~ff:* +fcall_ro +get +hgetall".split(" "))
    try:
        assert read(account, "c1")["c1"].is_known
        server.function_flush()
        assert read(account, "c1")["c1"].is_known
        with Redis.from_url(account) as client, pytest.raises(NoPermissionError):
            client.set("ff:current", "6")
    finally:
        server.acl_deluser("shop")


def test_more_customers_than_redis_should_stop_for_are_refused(
    server: Redis, redis_url: str, read: Read
):
    with pytest.raises(ValueError, match="1001 customers"):
        read(redis_url, *(f"c{number}" for number in range(MOST_CUSTOMERS + 1)))


@contextmanager
def commands(server: Redis) -> Iterator[list[str]]:
    """Yield the commands that reach the server while the block lasts, once it is over."""
    seen: list[str] = []
    with server.monitor() as monitor:
        yield seen
        server.echo("the end")
        for one in monitor.listen():
            if one["command"] == "ECHO the end":
                return
            name = one["command"].split()[0].upper()
            if one["client_type"] != "lua" and name not in ("HELLO", "CLIENT"):
                seen.append(name)


def test_a_read_is_one_round_trip_also_right_after_a_flip(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5) as storefront:
        storefront.get("c1", now=NOW)
        for version in ("8", "9"):
            publish(server, version)
            with commands(server) as seen:
                assert storefront.get("c1", now=NOW).version == version
                storefront.get_many(["c1", "c1"], now=NOW)
            assert seen == ["FCALL_RO", "FCALL_RO"]


def test_what_is_popular_is_asked_for_once_per_publication(server: Redis, redis_url: str):
    popular = Fallback(products=("tea",), version="7", expires_at=NOW + timedelta(hours=1))
    server.hset(fallback_key("7"), mapping=encode_fallback(popular))
    with Storefront(redis_url, timeout=5) as storefront, commands(server) as seen:
        for _ in range(2):
            profile = storefront.get("c2", now=NOW)
            assert (profile.products, profile.products_from) == (("tea",), "popular")
    assert seen == ["FCALL_RO", "HGETALL", "FCALL_RO"]


def test_with_a_kept_pointer_a_read_is_one_hgetall(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5, pointer_seconds=3600) as storefront:
        storefront.get("c1", now=NOW)
        publish(server, "8")
        with commands(server) as seen:
            assert storefront.get("c1", now=NOW).version == "7"
    assert seen == ["HGETALL"]


def test_a_broken_connection_is_made_again(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5) as storefront:
        assert storefront.get("c1", now=NOW).is_known
        server.client_kill_filter(_type="normal", skipme=True)
        assert storefront.get("c1", now=NOW).is_known


def test_a_url_of_nothing_that_is_read_is_refused():
    for wrong in ("http://localhost", "redis+magic://localhost", "redis+sentinel://localhost"):
        with pytest.raises(ValueError, match="redis"):
            Storefront(wrong)


def test_the_address_has_no_password():
    url = "redis+sentinel://shop:secret@s1:1,s2:2/master?sentinel_password=secret"
    assert Storefront(url).address == "s1:1,s2:2"


def test_without_now_the_wall_clock_decides(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5) as storefront:
        assert storefront.get("c1").is_known
