"""Where the records are: one server, one behind Sentinel, or a cluster, as a URL.

``redis://[[user]:password@]host:port[/db]``                      one server
``redis+sentinel://[[user]:password@]host:port,host:port/name``   the master that sentinels name
``redis+cluster://[[user]:password@]host:port``                   a cluster, by any of its nodes

``rediss…`` is the same with TLS. What the client library takes in a URL may follow, such as
``?ssl_ca_certs=/etc/ssl/shop.pem``; with Sentinel ``sentinel_username`` and ``sentinel_password``.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis.asyncio
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError
from redis.retry import Retry
from redis.sentinel import Sentinel

KINDS = ("", "sentinel", "cluster")
SENTINEL_PORT = 26379
_SOMEWHERE = "sentinels-know"  # the client library reads no URL without a host


class Address:
    """A URL, read; it connects to nothing."""

    def __init__(self, url: str, *, timeout: float) -> None:
        """Read a URL; ``timeout`` is the seconds to wait for a connection, and for an answer.

        Raises:
            ValueError: the URL is none of these.
        """
        parts = urlsplit(url)
        scheme, _, self._kind = parts.scheme.partition("+")
        if scheme not in ("redis", "rediss", "unix") or self._kind not in KINDS:
            raise ValueError(
                f"{parts.scheme}:// is no kind of Redis; see docs/redis.md: Where Redis is"
            )
        self._plain = scheme + url[len(parts.scheme) :]
        self._options: dict[str, Any] = {
            "decode_responses": True,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
        }
        self.is_cluster = self._kind == "cluster"
        self.text = parts.netloc.rpartition("@")[2] or parts.path
        if self._kind == "sentinel":
            self._read_sentinels(parts)

    def _read_sentinels(self, parts: Any) -> None:
        """Take the sentinels out of the URL, so that the client library can read what is left."""
        login, _, hosts = parts.netloc.rpartition("@")
        self._sentinels = [_host_and_port(host) for host in hosts.split(",")]
        self._name = parts.path.strip("/")
        if not self._name:
            raise ValueError(f"{self.text}: which master? redis+sentinel://{hosts}/NAME")
        query = dict(parse_qsl(parts.query))
        secured = {"ssl": True} if parts.scheme.startswith("rediss") else {}
        for name in ("username", "password"):
            if f"sentinel_{name}" in query:
                secured[name] = query.pop(f"sentinel_{name}")
        scheme = parts.scheme.partition("+")[0]
        plain = parts._replace(
            scheme=scheme, netloc=f"{login}@{_SOMEWHERE}", path="", query=urlencode(query)
        )
        own = redis.connection.parse_url(plain.geturl())
        for name in ("connection_class", "host"):
            own.pop(name, None)
        trust = {name: value for name, value in own.items() if name.startswith("ssl")}
        self._of_sentinels = self._options | trust | secured
        self._options |= own | ({"ssl": True} if scheme == "rediss" else {})

    def connect(self) -> Any:
        """Return redis-py's client; to one server it connects with the first command."""
        if self.is_cluster:
            return RedisCluster.from_url(self._plain, **self._options)
        return self._connect(retry=Retry(NoBackoff(), 1, (ConnectionError,)))

    def connect_to_publish(self, **options: Any) -> Any:
        """Return the same for who writes: nothing is sent a second time behind their back.

        Raises:
            ValueError: it is a cluster.
        """
        if self.is_cluster:
            raise ValueError(
                f"{self.text} is a cluster, and Footfall cannot publish to one; give one server, "
                "or the master that sentinels name (docs/redis.md: Where Redis is)"
            )
        return self._connect(retry=Retry(NoBackoff(), 0), **options)

    def _connect(self, *, retry: Retry, **more: Any) -> Any:
        options = self._options | more | {"retry": retry}
        if self._kind == "sentinel":
            once = self._of_sentinels | {"retry": Retry(NoBackoff(), 0)}  # ask the next instead
            sentinel = Sentinel(self._sentinels, sentinel_kwargs=once)
            return sentinel.master_for(self._name, **options)
        return redis.Redis.from_url(self._plain, **options)

    def connect_async(self) -> Any:
        """Return redis-py's client for asyncio."""
        retry = AsyncRetry(NoBackoff(), 1, (ConnectionError,))
        if self._kind == "cluster":
            return AsyncRedisCluster.from_url(self._plain, **self._options)
        if self._kind == "sentinel":
            once = self._of_sentinels | {"retry": AsyncRetry(NoBackoff(), 0)}
            sentinel = AsyncSentinel(self._sentinels, sentinel_kwargs=once)
            return sentinel.master_for(self._name, **self._options, retry=retry)
        return redis.asyncio.Redis.from_url(self._plain, **self._options, retry=retry)


def opened_by(client: Any) -> list[Any]:
    """Return what has to be closed: a client, and those of the sentinels that it asks."""
    pool = getattr(client, "connection_pool", None)
    manager = getattr(pool, "sentinel_manager", None)
    return [client, *(manager.sentinels if manager is not None else ())]


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, int(port or SENTINEL_PORT)
