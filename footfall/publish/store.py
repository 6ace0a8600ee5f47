"""Redis as the publisher sees it: write a version beside the live one, check it, move the pointer.

Keys, besides the records and ``ff:current``: ``ff:flip``, a hash with the last move of the pointer
(version, previous, epoch, at) and the newest version that was ever live. A delta counts as a move
to the version itself. It fences older publishers, tells rollback where to go, and lets the next run
book what a killed one had flipped. A delta's records are staged under ``ff:<version>+<epoch>:c:``.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import redis

from footfall.errors import BadArgument, Fenced, FootfallError, NotReady, ServerUnavailable
from footfall.publish.bulk import BATCH, BulkWriter, Record, batches, digest_commands
from footfall.storefront.address import Address, opened_by
from footfall.storefront.record import (
    CURRENT_KEY,
    Fallback,
    encode_fallback,
    fallback_key,
    record_key,
)

FLIP_KEY = "ff:flip"
FUNCTIONS = Path(__file__).with_name("functions.lua")
TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Flip:
    """The last move of ``ff:current``."""

    version: int
    previous: int | None
    epoch: int
    at: datetime
    newest: int


class Store:
    """The Redis that storefronts read, opened for publishing."""

    def __init__(self, url: str) -> None:
        """Connect lazily; a broken connection is an error, never retried behind our back.

        Raises:
            BadArgument: the URL is no Redis's, or a cluster's.
        """
        try:
            place = Address(url, timeout=TIMEOUT_SECONDS)
            self._redis = place.connect_to_publish(client_name="footfall-publish")
        except ValueError as error:
            raise BadArgument(f"FOOTFALL_REDIS_URL: {error}") from None
        self.address = place.text

    def prepare(self, *, expires_at: datetime) -> None:
        """Load the functions; refuse a server on which a publication could not live.

        Raises:
            NotReady: the server evicts keys, has no functions, or its clock is past expires_at.
        """
        policy = self._redis.info("memory")["maxmemory_policy"]
        if policy != "noeviction":
            raise NotReady(
                f"Redis at {self.address} may evict published scores (maxmemory-policy={policy}); "
                "set it: redis-cli CONFIG SET maxmemory-policy noeviction"
            )
        clock = datetime.fromtimestamp(self._redis.time()[0], UTC)
        if expires_at <= clock:
            raise NotReady(
                f"the scores would expire at {expires_at.isoformat()}, but the clock of Redis at "
                f"{self.address} says {clock.isoformat()}; score again: footfall score"
            )
        try:
            self._redis.function_load(FUNCTIONS.read_text(), replace=True)
        except redis.ResponseError as error:
            if "unknown command" not in str(error):
                raise
            raise NotReady(
                f"Redis at {self.address} is too old, it has no functions; use Redis 7 or Valkey"
            ) from None

    def last_flip(self) -> Flip | None:
        """Return the last move of the pointer; None if there was none (or it is long over)."""
        facts = self._redis.hgetall(FLIP_KEY)
        if not facts:
            return None
        previous = facts.get("previous")
        return Flip(
            version=int(facts["version"]),
            previous=None if previous is None else int(previous),
            epoch=int(facts["epoch"]),
            at=datetime.fromisoformat(str(facts["at"])),
            newest=int(facts["newest"]),
        )

    def live_version(self) -> str | None:
        """Return what ``ff:current`` says."""
        version = self._redis.get(CURRENT_KEY)
        return None if version is None else str(version)

    def write(self, version: int | str, records: Iterable[Record]) -> int:
        """Write records, each with its TTL, and read them back; return how many.

        Raises:
            FootfallError: records did not read back as written.
        """
        connection = self._redis.connection_pool.get_connection()
        try:
            return BulkWriter(connection, version).write(records)
        except BaseException:
            connection.disconnect()  # replies may be under way still
            raise
        finally:
            self._redis.connection_pool.release(connection)

    def write_fallbacks(
        self, version: int, fallbacks: Iterable[tuple[str | None, Fallback]]
    ) -> None:
        """Write what to show to who has no record, by segment; None: of all."""
        with self._redis.pipeline(transaction=True) as pipeline:
            for segment, fallback in fallbacks:
                key = fallback_key(str(version), segment)
                words = chain.from_iterable(encode_fallback(fallback).items())
                pipeline.hset(key, items=list(words))
                pipeline.expireat(key, int(fallback.expires_at.timestamp()))
            pipeline.execute()

    def digests(self, version: int | str, customer_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the SHA-1 of each record that is there, as the server has it."""
        found: dict[str, bytes] = {}
        prefix = record_key(str(version), "")
        for batch in batches(customer_ids, BATCH):
            with self._redis.pipeline(transaction=False) as pipeline:
                for command in digest_commands(prefix, batch):
                    pipeline.execute_command(*command)
                replies = chain.from_iterable(pipeline.execute())
            for customer_id, sha1 in zip(batch, replies, strict=True):
                if sha1:
                    found[customer_id] = bytes.fromhex(sha1)
        return found

    def remove(self, version: int | str, customer_ids: Iterable[str]) -> int:
        """Delete records; return how many were there."""
        removed = 0
        for batch in batches(customer_ids, BATCH):
            removed += self._redis.unlink(*(record_key(str(version), name) for name in batch))
        return removed

    def flip(
        self, version: int, *, epoch: int, last: Flip | None, expires_at: datetime, at: datetime
    ) -> Flip:
        """Point ``ff:current`` at a version that is complete.

        Args:
            version: the version.
            epoch: the publisher's.
            last: the flip that the publisher saw before it wrote.
            expires_at: when the pointer ends.
            at: now.

        Raises:
            Fenced: a publisher or rollback with a greater epoch was here, or the server has lost
                that flip, and perhaps what was written; nothing was changed.
        """
        seen = last.epoch if last else 0
        done, found = self._redis.fcall(
            "ff_flip",
            2,
            CURRENT_KEY,
            FLIP_KEY,
            str(version),
            str(epoch),
            str(int(expires_at.timestamp())),
            at.isoformat(),
            str(seen),
        )
        if not done and int(found or 0) < seen:
            raise Fenced(
                f"Redis at {self.address} has lost epoch {seen} meanwhile, and perhaps what was "
                f"written of publication {version}; publish again: footfall publish"
            )
        if not done:
            raise Fenced(
                f"publication {version} (epoch {epoch}) came too late: "
                f"epoch {found} is live already; nothing was changed"
            )
        flip = self.last_flip()
        if flip is None:
            raise NotReady(f"publication {version} expired while it was published; publish again")
        return flip

    def apply(
        self,
        version: int,
        staged: str,
        *,
        epoch: int,
        base_epoch: int,
        at: datetime,
        written: Sequence[str],
        gone: Sequence[str],
    ) -> tuple[Flip, list[str]]:
        """Put a staged delta into the live version, and take out who is gone, all in one step.

        Returns:
            The flip that it counts as, and who was left alone: their record is newer.

        Raises:
            Fenced: the live version is not as it was under ``base_epoch``; nothing was changed.
        """
        done, *rest = self._redis.fcall(
            "ff_apply",
            2,
            CURRENT_KEY,
            FLIP_KEY,
            *(str(version), staged, str(epoch), str(base_epoch), at.isoformat()),
            *(str(len(written)), *written, *gone),
        )
        if not done:
            raise Fenced(
                f"the delta of publication {version} (epoch {epoch}) came too late: epoch "
                f"{rest[0] or 'none'} is live, not {base_epoch}; nothing was changed"
            )
        flip = self.last_flip()
        if flip is None:
            raise NotReady(f"publication {version} expired while it was updated; publish again")
        return flip, [str(name) for name in rest]

    def close(self) -> None:
        """Close the connections."""
        for client in opened_by(self._redis):
            client.close()


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """Yield the store; what Redis refuses or does not answer becomes one readable line.

    Raises:
        BadArgument: the URL is no Redis's, or a cluster's.
        ServerUnavailable: no answer within 10 s.
        FootfallError: Redis answered with an error (out of memory, permission).
    """
    store = Store(url)
    try:
        yield store
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ServerUnavailable(
            f"Redis at {store.address} does not answer ({error}); start it with: footfall up"
        ) from None
    except redis.RedisError as error:
        raise FootfallError(f"Redis at {store.address} refused: {error}") from None
    finally:
        store.close()


def staged_version(version: int, epoch: int) -> str:
    """Return what stands in a staged record's key where others have their version.

    Known to ``footfall.warehouse.erasures``, too.
    """
    return f"{version}+{epoch}"
