"""The reader: one round trip, one publication, and "unknown" instead of anything worse."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from footfall.publish import store
from footfall.storefront.client import MOST_CUSTOMERS, AsyncStorefront, Storefront
from footfall.storefront.record import Profile, encode, record_key

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


def read_blocking(url: str, *names: str, timeout: float = 5, now: datetime = NOW):
    with Storefront(url, timeout=timeout, fallback_products=["gift-card"]) as storefront:
        return storefront.get_many(names, now=now)


def read_async(url: str, *names: str, timeout: float = 5, now: datetime = NOW):
    async def read() -> dict[str, Profile]:
        async with AsyncStorefront(
            url, timeout=timeout, fallback_products=["gift-card"]
        ) as storefront:
            return await storefront.get_many(names, now=now)

    return asyncio.run(read())


@pytest.fixture(params=[read_blocking, read_async], ids=["blocking", "async"])
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


def test_a_redis_that_does_not_answer_in_time_makes_customers_unknown(read: Read):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        assert read(url, "c1", timeout=0.05)["c1"].why == "unavailable"


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


def test_a_read_is_one_round_trip_also_right_after_a_flip(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5) as storefront, server.monitor() as monitor:
        storefront.get("c1", now=NOW)
        for version in ("8", "9"):
            publish(server, version)
            server.ping()  # nothing of ours: marks the place
            assert storefront.get("c1", now=NOW).version == version
            storefront.get_many(["c1", "c2"], now=NOW)
            server.ping()
        server.echo("the end")
        commands = []
        for seen in monitor.listen():
            if seen["client_type"] != "lua":
                commands.append(seen["command"].split()[0].upper())
            if seen["command"] == "ECHO the end":
                break
    marks = [place for place, name in enumerate(commands) if name == "PING"]
    for start, end in zip(marks[::2], marks[1::2], strict=True):
        assert commands[start + 1 : end] == ["FCALL_RO", "FCALL_RO"]


def test_a_broken_connection_is_made_again(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5) as storefront:
        assert storefront.get("c1", now=NOW).is_known
        server.client_kill_filter(_type="normal", skipme=True)
        assert storefront.get("c1", now=NOW).is_known


def test_without_now_the_wall_clock_decides(server: Redis, redis_url: str):
    with Storefront(redis_url, timeout=5) as storefront:
        assert storefront.get("c1").is_known
