"""The clients at the servers that a shop may have: a cluster, Sentinel, TLS, a narrow account."""

import asyncio
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from redis import Redis
from redis.cluster import RedisCluster
from redis.exceptions import NoPermissionError

from footfall.publish import store
from footfall.storefront import AsyncStorefront, Profile, Storefront
from footfall.storefront.record import (
    Fallback,
    encode,
    encode_fallback,
    fallback_key,
    record_key,
)
from tests.storefront.servers import (
    NAME,
    cluster,
    free_ports,
    tls_in_front_of,
    until,
    valkey,
    watched_pair,
)

EXPIRES_AT = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
NAMES = [f"c{number}" for number in range(20)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "redis.md"

Get = Callable[..., dict[str, Profile]]


def publish(client: Redis | RedisCluster, version: str) -> None:
    for name in NAMES:
        profile = Profile(customer_id=name, version=version, purchase=0.5, expires_at=EXPIRES_AT)
        client.hset(record_key(version, name), mapping=encode(profile))
    popular = Fallback(products=("tea",), version=version, expires_at=EXPIRES_AT)
    client.hset(fallback_key(version), mapping=encode_fallback(popular))
    client.set("ff:current", version)


@pytest.fixture(params=["blocking", "async"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[..., Get]]:
    """Give a function that opens either client at a URL, and gives its get_many."""
    with asyncio.Runner() as runner:
        closers: list[Callable[[], object]] = []

        def open_one(url: str, **options: float) -> Get:
            if request.param == "blocking":
                shop = Storefront(url, timeout=5, **options)
                closers.append(shop.close)
                return shop.get_many
            other = AsyncStorefront(url, timeout=5, **options)
            closers.append(lambda: runner.run(other.close()))
            return lambda names: runner.run(other.get_many(names))

        yield open_one
        for close in closers:
            close()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as ports:
        yield ports


def test_a_cluster_is_read_whichever_nodes_the_keys_lie_on(
    nodes: list[int], opened: Callable[..., Get]
):
    with RedisCluster(host="127.0.0.1", port=nodes[0]) as client:
        publish(client, "7")
        get = opened(f"redis+cluster://127.0.0.1:{nodes[-1]}", pointer_seconds=0)
        profiles = get([*NAMES, "c99"])
        assert {name for name, one in profiles.items() if one.is_known} == set(NAMES)
        assert (profiles["c99"].why, profiles["c99"].products) == ("absent", ("tea",))
        publish(client, "8")
        assert {one.version for one in get(NAMES).values()} == {"8"}


def test_a_cluster_that_is_away_makes_customers_unknown(opened: Callable[..., Get]):
    get = opened("redis+cluster://127.0.0.1:1")
    assert get(["c1"])["c1"].why == "unavailable"


def test_a_failover_is_followed(tmp_path: Path, opened: Callable[..., Get]):
    with (
        watched_pair(tmp_path) as (ports, processes, sentinel),
        Redis(port=ports[0]) as master,
    ):
        publish(master, "7")
        assert master.wait(1, 10_000) == 1
        get = opened(f"redis+sentinel://127.0.0.1:{sentinel}/{NAME}", pointer_seconds=60)
        assert get(["c1"])["c1"].version == "7"
        processes[0].send_signal(signal.SIGKILL)
        seen: list[Profile] = []

        def is_back() -> bool:
            seen.append(get(["c1"])["c1"])
            return seen[-1].is_known

        until(is_back, "the replica is read")
        assert {one.why for one in seen} <= {"unavailable", None}
        assert seen[-1].version == "7"


def test_a_server_behind_tls_is_read_if_its_authority_is_trusted(
    tmp_path: Path, opened: Callable[..., Get]
):
    [port] = free_ports(1)
    authority, stranger = trustme.CA(), trustme.CA()
    for name, one in (("shop", authority), ("stranger", stranger)):
        one.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    with (
        valkey(tmp_path / "server", port=port),
        Redis(port=port) as client,
        tls_in_front_of(port, authority) as secured,
    ):
        publish(client, "7")
        client.function_load(Path(store.FUNCTIONS).read_text())
        url = f"rediss://localhost:{secured}?ssl_ca_certs={tmp_path}"
        assert opened(f"{url}/shop.pem")(["c1"])["c1"].version == "7"
        assert opened(f"{url}/stranger.pem")(["c1"])["c1"].why == "unavailable"


def test_the_account_of_the_docs_reads_and_can_do_nothing_else(
    redis_url: str, opened: Callable[..., Get]
):
    [line] = re.findall(r"^redis-cli (ACL SETUSER .*)$", PAGE.read_text(), re.MULTILINE)
    words = line.replace("'", "").split()
    user, password = words[2], next(word[1:] for word in words if word.startswith(">"))
    place = redis_url.removeprefix("redis://")
    with Redis.from_url(redis_url) as server:
        server.function_load(Path(store.FUNCTIONS).read_text(), replace=True)
        publish(server, "7")
        server.set("other", "secret")
        server.execute_command(*words)
        try:
            url = f"redis://{user}:{password}@{place}"
            for seconds in (0, 60):
                assert opened(url, pointer_seconds=seconds)(["c1"])["c1"].is_known
            with Redis.from_url(url) as narrow:
                for command in (
                    "SET ff:current 6",
                    "DEL ff:7:c:c1",
                    "GET other",
                    "HGETALL ff:flip",
                    "KEYS *",
                    "SCAN 0",
                    "FCALL ff_flip 2 ff:current ff:flip 6 9 9 now",
                    "CONFIG GET *",
                    "FLUSHALL",
                    "EVAL_RO return(1) 0",
                ):
                    with pytest.raises(NoPermissionError):
                        narrow.execute_command(*command.split())
        finally:
            server.acl_deluser(user)
