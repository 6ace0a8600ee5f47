"""Erase a customer: from the events, from all that was built, from the scores, and from Redis.

Postgres comes first, in one transaction; then Redis, in every publication that it may still hold. A
publication that is being written in between finds the scores gone before it goes live. Should Redis
not answer, the tombstones remember it, and erasing again finishes the work.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import BadArgument, FootfallError, NotFound, NotReady, ServerUnavailable
from footfall.events.decode import decode
from footfall.settings import settings
from footfall.storefront.record import record_key
from footfall.warehouse import audit, erasures
from footfall.warehouse.built_rows import delete_built
from footfall.warehouse.connection import transaction
from footfall.warehouse.customers import resolve
from footfall.warehouse.erasures import RejectedRecord, Tombstone
from footfall.warehouse.links import linked

REDIS_SECONDS = 10
KEYS_PER_ROUND_TRIP = 1000


@dataclass(frozen=True)
class Erasure:
    """What is gone.

    Attributes:
        customer_id: the pseudonym that the customer had; nothing is kept under it.
        refs: how many user ids and anonymous ids the customer had.
        rows_erased: rows by table.
        redis_keys: records in Redis.
        erased_at: when.
    """

    customer_id: str
    refs: int
    rows_erased: dict[str, int]
    redis_keys: int
    erased_at: datetime


def erase(customer: str, *, actor: str, now: datetime) -> Erasure:
    """Erase a customer everywhere, and refuse their events from now on.

    Args:
        customer: customer_id, user id or anonymous id; also of somebody whom no build has seen yet.
        actor: who asked for it; for the audit log.
        now: when; for the audit log.

    Raises:
        NotFound: nobody is known by this id, or they were erased before.
        BadArgument: erased from Postgres, but the URL of Redis is none, or a cluster's.
        ServerUnavailable: Postgres does not answer, and nothing was erased; or Redis does not: then
            erasing again finishes the work.
    """
    with transaction() as connection:
        customer_id, refs = _find(connection, customer)
        names = {customer_id}
        rows_erased = _erase_rows(connection, refs, names, actor=actor, now=now) if refs else {}
        unfinished = erasures.unfinished(connection)
    redis_keys = _forget_in_redis(unfinished, names, now=now)
    return Erasure(customer_id, len(unfinished), rows_erased, redis_keys, now)


def _find(connection: Connection[TupleRow], customer: str) -> tuple[str, set[str]]:
    """Return the customer_id and all refs; no refs when only Redis is left to be done.

    Raises:
        NotFound: nobody is known by this id, or they were erased before.
    """
    try:
        customer_id = resolve(connection, customer)
        return customer_id, linked(connection, erasures.refs_of(connection, customer_id))
    except (NotFound, NotReady) as error:
        refs = erasures.refs_named(connection, customer)
        if refs:
            first = erasures.customer_id(erasures.sha256(min(refs)))
            return first, linked(connection, refs)
        return _erased_before(erasures.tombstones(connection, customer), customer, error), set()


def _erased_before(graves: Sequence[Tombstone], customer: str, error: FootfallError) -> str:
    if not graves:
        raise NotFound(str(error)) from None
    if all(grave.redis_erased_at for grave in graves):
        raise NotFound(
            f"customer {customer!r} is no more: erased at {graves[0].erased_at.isoformat()}"
        )
    return erasures.customer_id(graves[0].ref_sha256)


def _erase_rows(
    connection: Connection[TupleRow],
    refs: set[str],
    names: set[str],
    *,
    actor: str,
    now: datetime,
) -> dict[str, int]:
    erasures.wait_for_writers(connection)
    erasures.bury(connection, refs)
    # From here on nobody loads, builds or scores; the last ones may have linked more ids to them.
    refs = linked(connection, refs)
    erasures.bury(connection, refs)
    customer_ids = names | {erasures.customer_id(erasures.sha256(ref)) for ref in refs}
    rows = delete_built(connection, refs, customer_ids)
    by_load = erasures.delete_events(connection, refs)
    records = rejects_about(refs, erasures.suspects(connection, needles(refs)))
    erasures.blank(connection, records)
    rows |= {
        "raw.events": sum(by_load.values()),
        "raw.rejected_events": len(records),
        "ml.scores": erasures.delete_scores(connection, customer_ids),
        "ml.customer_clusters": erasures.delete_clusters(connection, customer_ids),
        "ops.changed_customers": erasures.delete_changed(connection, customer_ids),
        "serving.published_records": erasures.delete_published(connection, customer_ids),
    }
    rows = {table: count for table, count in sorted(rows.items()) if count}
    erasures.engrave(connection, refs, rows, by_load)
    audit.append(
        connection,
        actor=actor,
        act="erase",
        subject=f"ref sha256:{erasures.sha256(min(refs))}",
        detail={"refs": len(refs), "rows": rows},
        now=now,
    )
    return rows


def needles(refs: Iterable[str]) -> list[bytes]:
    r"""Return what a record about one of the refs must contain: its id, as UTF-8 or escaped.

    >>> needles(["u:zoë"])
    [b'zo\\xc3\\xab', b'zo\\\\u00eb']
    """
    ids = sorted({ref[2:] for ref in refs})
    spelled = (form for id_ in ids for form in (id_, json.dumps(id_)[1:-1]))
    return [form.encode() for form in dict.fromkeys(spelled)]


def rejects_about(refs: Collection[str], records: Iterable[RejectedRecord]) -> list[RejectedRecord]:
    """Choose the rejected records that are about one of the refs.

    Whom a record is about is read from it where that is possible. Where it is not, the record is
    theirs if it has one of the ids in quotes, or as the value of a field whose name ends in ``id``.
    """
    pattern = re.compile(b"|".join(_mention(needle) for needle in needles(refs)))
    return [record for record in records if _is_about(record, refs, pattern)]


def _mention(needle: bytes) -> bytes:
    id_ = re.escape(needle)
    return b'"%b"|(?i:id"?\\s*[:=]\\s*"?)%b(?![\\w-])' % (id_, id_)


def _is_about(record: RejectedRecord, refs: Collection[str], pattern: re.Pattern[bytes]) -> bool:
    read = decode(record.raw, received_at=record.received_at, first_day=settings().first_day)
    if isinstance(read, list):
        return any(event.customer_ref in refs for event in read)
    if read.customer_ref is not None:
        return read.customer_ref in refs
    return pattern.search(record.raw) is not None


def _forget_in_redis(unfinished: Collection[str], names: set[str], *, now: datetime) -> int:
    """Delete the records of the erased, in every publication; note it on their tombstones."""
    customer_ids = sorted(names | {erasures.customer_id(digest) for digest in unfinished})
    with transaction() as connection:
        versions = erasures.redis_versions(connection)
        keys = [record_key(version, name) for version in versions for name in customer_ids]
        count = _unlink(keys)
        erasures.redis_is_done(connection, unfinished, now=now)
    return count


def _unlink(keys: Sequence[str]) -> int:
    from redis.exceptions import RedisError

    from footfall.storefront.address import Address, opened_by

    count = 0
    try:
        place = Address(settings().redis, timeout=REDIS_SECONDS)
        client = place.connect_to_publish()
    except ValueError as error:
        raise BadArgument(f"FOOTFALL_REDIS_URL: {error}") from None
    try:
        for start in range(0, len(keys), KEYS_PER_ROUND_TRIP):
            with client.pipeline(transaction=False) as pipeline:
                for key in keys[start : start + KEYS_PER_ROUND_TRIP]:
                    pipeline.unlink(key)
                count += sum(pipeline.execute())
    except RedisError as error:
        raise ServerUnavailable(
            f"erased from Postgres, but Redis at {place.text} does not answer "
            f"({type(error).__name__}); start it and erase the customer again to finish"
        ) from None
    finally:
        for one in opened_by(client):
            one.close()
    return count
