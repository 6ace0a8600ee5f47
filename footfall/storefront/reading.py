"""What a read asks of Redis and makes of the answers: no socket and no clock, one for both clients.

A read is a generator. It yields commands that the server carries out in one step (on a cluster: one
by one), is sent their answers or thrown the error that they met, and returns profiles. A client
only carries them to and fro.

The live publication is found in one of two ways. ``ff_get``, a function that each publication loads
into the server, looks up ``ff:current`` and the records in one atomic step. With a pointer that is
kept for ``pointer_seconds`` a read is one ``HGETALL`` instead, of one key, as a cluster needs it.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterError,
    ConnectionError,
    NoPermissionError,
    RedisClusterException,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from footfall.storefront.record import (
    CURRENT_KEY,
    Fallback,
    Profile,
    Source,
    decode,
    decode_fallback,
    fallback_key,
    record_key,
    unknown,
)

MOST_CUSTOMERS = 1000
"""How many customers one get_many may ask for: the server answers nobody else meanwhile."""
MOST_SEGMENTS = 1000
"""Of how many segments the fallbacks are kept, in case callers make names up."""
REFUSED = (AuthenticationError, AuthorizationError)
AWAY = (ConnectionError, TimeoutError, ClusterError, RedisClusterException, TryAgainError)

Command = tuple[str, ...]
Records = Sequence[Mapping[str, str]]
Steps = Generator[list[Command], list[Any], dict[str, Profile]]

LIVE = ("GET", CURRENT_KEY)


@dataclass(frozen=True)
class Pointer:
    """A version that was live at ``seen`` or later, in seconds of the client's own clock."""

    version: str
    seen: float


class Reader:
    """What a client knows between two reads: the pointer, and fallbacks of one publication."""

    def __init__(
        self, *, fallback_products: Sequence[str], pointer_seconds: float, is_cluster: bool
    ) -> None:
        self._fallback_products = tuple(fallback_products)
        self._pointer_seconds = pointer_seconds
        self._asks_function = not is_cluster and pointer_seconds == 0
        self._pointer: Pointer | None = None
        self._kept: tuple[str | None, dict[str | None, Fallback | None]] = (None, {})

    def read(
        self,
        customer_ids: Iterable[str],
        *,
        segments: Mapping[str, str],
        now: datetime,
        tick: float,
    ) -> Steps:
        """Read profiles, all of one publication.

        Args:
            customer_ids: whose; 1,000 at most.
            segments: by customer_id, where the caller knows it: for the fallback.
            now: the instant at which a score has to be fresh still.
            tick: seconds of a clock that never goes back, at the start of the read.

        Raises:
            ValueError: more than 1,000 customers.
            redis.RedisError: the server answered, with an error (password, permission).
        """
        wanted = list(dict.fromkeys(customer_ids))
        if len(wanted) > MOST_CUSTOMERS:
            raise ValueError(
                f"{len(wanted)} customers in one read; ask for {MOST_CUSTOMERS} at most"
            )
        if not wanted:
            return {}
        version: str | None = None
        records: Records = [{}] * len(wanted)
        try:
            version, records = yield from self._records(wanted, tick)
        except REFUSED:
            raise
        except AWAY:
            profiles = {name: unknown(name, "unavailable") for name in wanted}
        else:
            profiles = {
                name: decode(name, fields, version=version, now=now)
                for name, fields in zip(wanted, records, strict=True)
            }
        strangers = {
            name: segments.get(name) or fields.get("segment")
            for name, fields in zip(wanted, records, strict=True)
            if not profiles[name].is_known
        }
        if strangers:
            yield from self._look_for_fallbacks(version, {None, *strangers.values()})
        for name, segment in strangers.items():
            products, source = self._fallback(segment, now)
            profiles[name] = replace(profiles[name], products=products, products_from=source)
        return profiles

    def _records(
        self, wanted: list[str], tick: float
    ) -> Generator[list[Command], list[Any], tuple[str | None, Records]]:
        if self._asks_function:
            try:
                [(version, *found)] = yield [("FCALL_RO", "ff_get", "1", CURRENT_KEY, *wanted)]
            except ResponseError as error:
                if not _lacks_function(error):
                    raise
            else:
                return version, [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in found]
        pointer = self._pointer
        seen = None if pointer is None else pointer.version
        records: Records = []
        if pointer is None:
            [version] = yield [LIVE]
        elif tick - pointer.seen < self._pointer_seconds:
            records = yield _hashes(pointer.version, wanted)
            if all(records):
                return seen, records
            [version] = yield [LIVE]  # somebody is missing: is that publication live still?
        else:
            version, *records = yield [LIVE, *_hashes(pointer.version, wanted)]
        self._move(version, tick)
        if version is None:
            return None, [{}] * len(wanted)
        if version != seen:
            records = yield _hashes(version, wanted)
        return version, records

    def _move(self, version: str | None, tick: float) -> None:
        if self._pointer is None or tick >= self._pointer.seen:  # else another thread knows better
            self._pointer = None if version is None else Pointer(version, tick)

    def _look_for_fallbacks(
        self, version: str | None, segments: set[str | None]
    ) -> Generator[list[Command], list[Any], None]:
        """Keep the publication's fallbacks that are asked for; that there is none is kept, too."""
        if version is None:
            return
        of, kept = self._kept
        known = kept if of == version and len(kept) < MOST_SEGMENTS else {}
        lacking = [segment for segment in segments if segment not in known]
        if not lacking:
            return
        try:
            found = yield [("HGETALL", fallback_key(version, segment)) for segment in lacking]
        except REFUSED:
            raise
        except AWAY:
            return
        fresh = (decode_fallback(fields, version=version) for fields in found)
        self._kept = (version, {**known, **dict(zip(lacking, fresh, strict=True))})

    def _fallback(self, segment: str | None, now: datetime) -> tuple[Sequence[str], Source]:
        _, kept = self._kept
        sources: list[tuple[str | None, Source]] = [(None, "popular")]
        if segment is not None:
            sources.insert(0, (segment, "segment"))
        for name, source in sources:
            found = kept.get(name)
            if found is not None and found.products and now < found.expires_at:
                return found.products, source
        return self._fallback_products, "caller"


def _hashes(version: str, wanted: list[str]) -> list[Command]:
    return [("HGETALL", record_key(version, customer_id)) for customer_id in wanted]


def _lacks_function(error: ResponseError) -> bool:
    if isinstance(error, NoPermissionError):
        return False
    return "Function not found" in str(error) or "unknown command" in str(error)
