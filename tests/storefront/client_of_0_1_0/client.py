"""Read customers' records: one round trip, one whole publication, never an expired score.

Both clients call the function ``ff_get``, which each publication loads into the server: it looks up
``ff:current`` and the records in one atomic step. Where a server has lost that function, two plain
reads take its place. A shop goes on when Redis does not: what cannot be read in time is "unknown".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import redis.asyncio
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from footfall.storefront.record import CURRENT_KEY, Profile, decode, record_key, unknown

TIMEOUT_SECONDS = 0.25
MOST_CUSTOMERS = 1000
"""How many customers one get_many may ask for: the server answers nobody else meanwhile."""

Answer = tuple[str | None, list[Mapping[str, str]]]


class Storefront:
    """A reader for threads; safe to share between them.

    >>> shop = Storefront("redis://localhost:6379", fallback_products=["gift-card"])
    >>> profile = shop.get("c0f1e2d3c4b5a6978899")  # doctest: +SKIP
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        fallback_products: Sequence[str] = (),
    ) -> None:
        """Connect lazily.

        Args:
            url: ``redis://[[user]:password@]host:port[/db]``, or ``rediss://`` for TLS.
            timeout: seconds to wait for a connection, and again for the answer.
            fallback_products: what to show to a customer about whom nothing is known.
        """
        self._fallback = tuple(fallback_products)
        self._redis = Redis.from_url(
            url, **_options(timeout), retry=Retry(NoBackoff(), 1, (ConnectionError,))
        )

    @property
    def address(self) -> str:
        """Host and port of the server, without the password."""
        place = self._redis.connection_pool.connection_kwargs
        return str(place.get("path") or f"{place['host']}:{place['port']}")

    def get(self, customer_id: str, *, now: datetime | None = None) -> Profile:
        """Return what is known about a customer at ``now`` (default: the wall clock)."""
        return self.get_many([customer_id], now=now)[customer_id]

    def get_many(
        self, customer_ids: Iterable[str], *, now: datetime | None = None
    ) -> dict[str, Profile]:
        """Return up to 1,000 customers' profiles, all of one publication.

        Raises:
            ValueError: more than 1,000 customers.
            redis.RedisError: the server answered, with an error (password, permission).
        """
        wanted = _wanted(customer_ids)
        try:
            answer = self._ask(wanted)
        except AuthenticationError:
            raise
        except (ConnectionError, TimeoutError):
            return {name: unknown(name, "unavailable", self._fallback) for name in wanted}
        return _profiles(wanted, answer, now, self._fallback)

    def _ask(self, wanted: list[str]) -> Answer:
        try:
            return _answer(self._redis.fcall_ro("ff_get", 1, CURRENT_KEY, *wanted))
        except ResponseError as error:
            if not _lacks_function(error):
                raise
        version = self._redis.get(CURRENT_KEY)
        if version is None:
            return None, [{} for _ in wanted]
        with self._redis.pipeline(transaction=False) as pipeline:
            for customer_id in wanted:
                pipeline.hgetall(record_key(str(version), customer_id))
            return str(version), pipeline.execute()

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()


class AsyncStorefront:
    """The same reader for asyncio."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        fallback_products: Sequence[str] = (),
    ) -> None:
        """Connect lazily; the arguments are Storefront's."""
        self._fallback = tuple(fallback_products)
        self._redis = redis.asyncio.Redis.from_url(
            url, **_options(timeout), retry=AsyncRetry(NoBackoff(), 1, (ConnectionError,))
        )

    async def get(self, customer_id: str, *, now: datetime | None = None) -> Profile:
        """Return what is known about a customer at ``now`` (default: the wall clock)."""
        return (await self.get_many([customer_id], now=now))[customer_id]

    async def get_many(
        self, customer_ids: Iterable[str], *, now: datetime | None = None
    ) -> dict[str, Profile]:
        """Return up to 1,000 customers' profiles, all of one publication.

        Raises:
            ValueError: more than 1,000 customers.
            redis.RedisError: the server answered, with an error (password, permission).
        """
        wanted = _wanted(customer_ids)
        try:
            answer = await self._ask(wanted)
        except AuthenticationError:
            raise
        except (ConnectionError, TimeoutError):
            return {name: unknown(name, "unavailable", self._fallback) for name in wanted}
        return _profiles(wanted, answer, now, self._fallback)

    async def _ask(self, wanted: list[str]) -> Answer:
        try:
            return _answer(await self._redis.fcall_ro("ff_get", 1, CURRENT_KEY, *wanted))
        except ResponseError as error:
            if not _lacks_function(error):
                raise
        version = await self._redis.get(CURRENT_KEY)
        if version is None:
            return None, [{} for _ in wanted]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for customer_id in wanted:
                pipeline.hgetall(record_key(str(version), customer_id))
            return str(version), await pipeline.execute()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def __aenter__(self) -> Self:
        """Return the reader itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()


def _options(timeout: float) -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
    }


def _wanted(customer_ids: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(customer_ids))
    if len(wanted) > MOST_CUSTOMERS:
        raise ValueError(f"{len(wanted)} customers in one read; ask for {MOST_CUSTOMERS} at most")
    return wanted


def _answer(reply: list[Any]) -> Answer:
    version, *records = reply
    return version, [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in records]


def _lacks_function(error: ResponseError) -> bool:
    if isinstance(error, NoPermissionError):
        return False
    return "Function not found" in str(error) or "unknown command" in str(error)


def _profiles(
    wanted: list[str], answer: Answer, now: datetime | None, fallback: Sequence[str]
) -> dict[str, Profile]:
    version, records = answer
    moment = now or datetime.now(UTC)
    return {
        name: decode(name, fields, version=version, now=moment, fallback_products=fallback)
        for name, fields in zip(wanted, records, strict=True)
    }
