"""Read customers' records: one round trip, one whole publication, never an expired score.

A shop goes on when Redis does not: what cannot be read in time is "unknown". How the live
publication is found, and what is shown to who is unknown, is in ``reading``; here are the sockets
and the clocks.
"""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Self

from footfall.storefront.address import Address, opened_by
from footfall.storefront.reading import LIVE, MOST_CUSTOMERS, Command, Reader
from footfall.storefront.record import Profile

__all__ = ["MOST_CUSTOMERS", "AsyncStorefront", "Storefront"]

TIMEOUT_SECONDS = 0.25
POINTER_SECONDS = 1.0
"""How long a pointer is kept on a cluster, where no function reaches both pointer and record."""


class _Client:
    """What both clients are made of."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        pointer_seconds: float | None = None,
        fallback_products: Sequence[str] = (),
    ) -> None:
        """Connect lazily.

        Args:
            url: ``redis://[[user]:password@]host:port[/db]``, ``rediss://`` for TLS,
                ``redis+sentinel://host:port,host:port/name``, ``redis+cluster://host:port``.
            timeout: seconds to wait for a connection, and again for the answer.
            pointer_seconds: how old the client's own copy of ``ff:current`` may be. 0 asks for it
                in each read; default 0, on a cluster 1.
            fallback_products: what to show to who is unknown, when the publication says nothing.

        Raises:
            ValueError: the URL is no Redis's.
        """
        place = Address(url, timeout=timeout)
        if pointer_seconds is None:
            pointer_seconds = POINTER_SECONDS if place.is_cluster else 0.0
        self._place = place
        self._in_one_step = not place.is_cluster  # a publisher may change records between two
        self._redis: Any = None
        self._connecting = Lock()
        self._reader = Reader(
            fallback_products=fallback_products,
            pointer_seconds=pointer_seconds,
            is_cluster=place.is_cluster,
        )

    @property
    def address(self) -> str:
        """Host and port, without the password."""
        return self._place.text

    def _open(self) -> list[Any]:
        return [] if self._redis is None else opened_by(self._redis)

    def _steps(
        self, customer_ids: Iterable[str], segments: Mapping[str, str] | None, now: datetime | None
    ) -> Generator[list[Command], list[Any], dict[str, Profile]]:
        return self._reader.read(
            customer_ids,
            segments=segments or {},
            now=now or datetime.now(UTC),
            tick=time.monotonic(),
        )


class Storefront(_Client):
    """A reader for threads; safe to share between them.

    >>> shop = Storefront("redis://localhost:6379", fallback_products=["gift-card"])
    >>> profile = shop.get("c0f1e2d3c4b5a6978899")  # doctest: +SKIP
    """

    def get(
        self, customer_id: str, *, segment: str | None = None, now: datetime | None = None
    ) -> Profile:
        """Return what is known about a customer at ``now`` (default: the wall clock).

        ``segment`` chooses the fallback of a customer whom the caller knows, and Redis does not.
        """
        segments = {customer_id: segment} if segment else None
        return self.get_many([customer_id], segments=segments, now=now)[customer_id]

    def get_many(
        self,
        customer_ids: Iterable[str],
        *,
        segments: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> dict[str, Profile]:
        """Return up to 1,000 customers' profiles, all of one publication.

        Raises:
            ValueError: more than 1,000 customers.
            redis.RedisError: the server answered, with an error (password, permission).
        """
        steps = self._steps(customer_ids, segments, now)
        try:
            commands = next(steps)
            while True:
                try:
                    answers = self._send(commands)
                except Exception as error:
                    commands = steps.throw(error)
                else:
                    commands = steps.send(answers)
        except StopIteration as end:
            profiles: dict[str, Profile] = end.value
            return profiles

    def version(self) -> str | None:
        """Return the live publication's version, None if there is none.

        Raises:
            redis.RedisError: Redis does not answer, or refuses to.
        """
        version: str | None = self._send([LIVE])[0]
        return version

    def _send(self, commands: list[Command]) -> list[Any]:
        with self._connecting:
            if self._redis is None:
                self._redis = self._place.connect()
        if len(commands) == 1:
            return [self._redis.execute_command(*commands[0])]
        with self._redis.pipeline(transaction=self._in_one_step) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute()
            return answers

    def close(self) -> None:
        """Close the connections."""
        for client in self._open():
            client.close()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()


class AsyncStorefront(_Client):
    """The same reader for asyncio."""

    async def get(
        self, customer_id: str, *, segment: str | None = None, now: datetime | None = None
    ) -> Profile:
        """Return what is known about a customer at ``now`` (default: the wall clock)."""
        segments = {customer_id: segment} if segment else None
        return (await self.get_many([customer_id], segments=segments, now=now))[customer_id]

    async def get_many(
        self,
        customer_ids: Iterable[str],
        *,
        segments: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> dict[str, Profile]:
        """Return up to 1,000 customers' profiles, as Storefront does."""
        steps = self._steps(customer_ids, segments, now)
        try:
            commands = next(steps)
            while True:
                try:
                    answers = await self._send(commands)
                except Exception as error:
                    commands = steps.throw(error)
                else:
                    commands = steps.send(answers)
        except StopIteration as end:
            profiles: dict[str, Profile] = end.value
            return profiles

    async def version(self) -> str | None:
        """Return the live publication's version, as Storefront does."""
        version: str | None = (await self._send([LIVE]))[0]
        return version

    async def _send(self, commands: list[Command]) -> list[Any]:
        if self._redis is None:
            self._redis = self._place.connect_async()
        if len(commands) == 1:
            return [await self._redis.execute_command(*commands[0])]
        pipeline = self._redis.pipeline(transaction=self._in_one_step)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = await pipeline.execute()
        return answers

    async def close(self) -> None:
        """Close the connections."""
        for client in self._open():
            await client.aclose()

    async def __aenter__(self) -> Self:
        """Return the reader itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()
