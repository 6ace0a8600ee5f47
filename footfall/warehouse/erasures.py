"""Take everything about some refs out of the warehouse, and leave a tombstone for each.

A tombstone is the SHA-256 of a ref: enough for the loader to refuse the customer's events when they
are replayed, and for the next build to see that somebody is gone. The id itself is kept nowhere.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from footfall.warehouse.build_plan import BUILDING, FENCE
from footfall.warehouse.connection import texts
from footfall.warehouse.publications import UNCOUNTED

CUSTOMER_ID_HEX = 20
ERASED = "erased"  # the reason of a rejected record whose customer is gone

_ROWS_BY_LOAD = """
with gone as (
    delete from raw.events where customer_ref = any(%(refs)s) returning load_id
)
select load_id, count(*) from gone group by load_id
"""

_SUSPECTS = """
select cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset, raw, received_at
from raw.rejected_events
where
    raw is not null
    and exists (
        select from unnest(%(needles)s::bytea[]) as needle where position(needle in raw) > 0
    )
"""

_BLANK = """
update raw.rejected_events
set reason = %(reason)s, detail = 'the customer was erased', raw = null, event_name = null
where (cluster_id, kafka_topic, topic_id, kafka_partition, kafka_offset)
    = (%(cluster_id)s, %(kafka_topic)s, %(topic_id)s, %(kafka_partition)s, %(kafka_offset)s)
"""

_SCORES = """
with gone as (
    delete from ml.scores where customer_id = any(%(customer_ids)s) returning score_set
),
counted as (
    select score_set, count(*) as row_count from gone group by score_set
),
recounted as (
    update ml.score_sets set records = records - row_count
    from counted where counted.score_set = score_sets.score_set
)
select coalesce(sum(row_count), 0)::bigint from counted
"""

_PUBLISHED: LiteralString = f"""
with gone as (
    delete from serving.published_records where customer_id = any(%(customer_ids)s)
    returning version
),
uncounted as (
    update serving.publications set {UNCOUNTED}
    where version in (select version from gone)
)
select count(*) from gone
"""


@dataclass(frozen=True)
class Tombstone:
    """One erased ref."""

    erasure_id: int
    ref_sha256: str
    erased_at: datetime
    redis_erased_at: datetime | None


@dataclass(frozen=True)
class RejectedRecord:
    """A record that was set aside, and may be about somebody who is to be erased."""

    cluster_id: str
    kafka_topic: str
    topic_id: str
    kafka_partition: int
    kafka_offset: int
    raw: bytes
    received_at: datetime


def sha256(ref: str) -> str:
    """Return a ref's tombstone, the same that the loader compares with."""
    return hashlib.sha256(ref.encode()).hexdigest()


def customer_id(ref_sha256: str) -> str:
    """Return the customer_id of the customer that this ref names, as the warehouse derives it."""
    return "c" + ref_sha256[:CUSTOMER_ID_HEX]


def refs_of(connection: Connection[TupleRow], customer_id: str) -> set[str]:
    """Return the refs that the newest build gave to a customer."""
    return texts(
        connection,
        "select ref from analytics.customer_identities where customer_id = %s",
        (customer_id,),
    )


def refs_named(connection: Connection[TupleRow], external_id: str) -> set[str]:
    """Return the refs of a user id, or else of an anonymous id, that events carry, built or not."""
    for ref in (f"u:{external_id}", f"a:{external_id}"):
        found = texts(
            connection,
            "select customer_ref from raw.events where customer_ref = %s limit 1",
            (ref,),
        )
        if found:
            return found
    return set()


def tombstones(connection: Connection[TupleRow], customer: str) -> list[Tombstone]:
    """Return the tombstones that a customer_id, user id or anonymous id names."""
    with connection.cursor(row_factory=class_row(Tombstone)) as cursor:
        return cursor.execute(
            "select erasure_id, ref_sha256, erased_at, redis_erased_at from privacy.erasures"
            " where ref_sha256 = any(%s) or 'c' || left(ref_sha256, %s) = %s order by erasure_id",
            ([sha256(f"u:{customer}"), sha256(f"a:{customer}")], CUSTOMER_ID_HEX, customer),
        ).fetchall()


def bury(connection: Connection[TupleRow], refs: Collection[str]) -> None:
    """Set a tombstone for each ref.

    This waits for loads under way, and loads that start now wait until this transaction ends: each
    load either stored its rows before they are deleted, or refuses them.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into privacy.erasures (ref_sha256, rows_erased) values (%s, '{}')"
            " on conflict (ref_sha256) do update"
            " set redis_erased_at = null, erased_at = clock_timestamp()",
            [(sha256(ref),) for ref in sorted(refs)],
        )


def engrave(
    connection: Connection[TupleRow],
    refs: Collection[str],
    tables: Mapping[str, int],
    loads: Mapping[int, int],
) -> None:
    """Note on the first fresh tombstone what was erased: rows by table, and events by load."""
    rows_erased = {"tables": dict(tables), "loads": {str(key): n for key, n in loads.items()}}
    connection.execute(
        "update privacy.erasures set rows_erased = %s where erasure_id ="
        " (select min(erasure_id) from privacy.erasures"
        "  where ref_sha256 = any(%s) and rows_erased = '{}')",
        (Jsonb(rows_erased), [sha256(ref) for ref in refs]),
    )


def delete_events(connection: Connection[TupleRow], refs: Collection[str]) -> dict[int, int]:
    """Delete the stored events of the refs; return how many of each load."""
    return dict(connection.execute(_ROWS_BY_LOAD, {"refs": sorted(refs)}).fetchall())


def suspects(connection: Connection[TupleRow], needles: Iterable[bytes]) -> list[RejectedRecord]:
    """Return the rejected records whose bytes contain one of the needles."""
    with connection.cursor(row_factory=class_row(RejectedRecord)) as cursor:
        return cursor.execute(_SUSPECTS, {"needles": list(needles)}).fetchall()


def blank(connection: Connection[TupleRow], records: Iterable[RejectedRecord]) -> None:
    """Drop the bytes of rejected records; that there was a record stays counted."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _BLANK,
            [
                {
                    "reason": ERASED,
                    "cluster_id": record.cluster_id,
                    "kafka_topic": record.kafka_topic,
                    "topic_id": record.topic_id,
                    "kafka_partition": record.kafka_partition,
                    "kafka_offset": record.kafka_offset,
                }
                for record in records
            ],
        )


def delete_scores(connection: Connection[TupleRow], customer_ids: Collection[str]) -> int:
    """Delete the customers' scores of all sets, and take them off the sets' counts."""
    row = connection.execute(_SCORES, {"customer_ids": sorted(customer_ids)}).fetchone()
    return int(row[0]) if row else 0


def delete_clusters(connection: Connection[TupleRow], customer_ids: Collection[str]) -> int:
    """Take the customers out of all sets of clusters."""
    return connection.execute(
        "delete from ml.customer_clusters where customer_id = any(%s)", (sorted(customer_ids),)
    ).rowcount


def delete_published(connection: Connection[TupleRow], customer_ids: Collection[str]) -> int:
    """Forget what was published of the customers; what was added up of it counts no more."""
    row = connection.execute(_PUBLISHED, {"customer_ids": sorted(customer_ids)}).fetchone()
    return int(row[0]) if row else 0


def delete_changed(connection: Connection[TupleRow], customer_ids: Collection[str]) -> int:
    """Forget that something of the customers had changed."""
    return connection.execute(
        "delete from ops.changed_customers where customer_id = any(%s)", (sorted(customer_ids),)
    ).rowcount


def wait_for_writers(connection: Connection[TupleRow]) -> None:
    """Wait until nobody builds or scores; who begins now waits until this transaction ends."""
    for lock in (BUILDING, FENCE):
        connection.execute(f"select pg_advisory_xact_lock({lock})")
    connection.execute("lock table ml.score_sets in share row exclusive mode")


def unfinished(connection: Connection[TupleRow]) -> list[str]:
    """Return the tombstones of customers whom Redis may still know."""
    return sorted(
        texts(connection, "select ref_sha256 from privacy.erasures where redis_erased_at is null")
    )


def redis_versions(connection: Connection[TupleRow]) -> list[str]:
    """Return what Redis may still hold records of: publications, and deltas that were staged."""
    rows = connection.execute(
        "select version from serving.publications"
        " where state in ('building', 'live', 'previous')"
        " or coalesce(expires_at, started_at + interval '30 days') > clock_timestamp()"
        " order by version"
    )
    staged = connection.execute(
        "select version || '+' || epoch from serving.deltas"
        " where state <> 'applied' and started_at > clock_timestamp() - interval '30 days'"
        " order by epoch"
    )
    return [str(version) for found in (rows, staged) for (version,) in found]


def redis_is_done(
    connection: Connection[TupleRow], hashes: Collection[str], *, now: datetime
) -> None:
    """Note that Redis holds nothing of these refs any more."""
    connection.execute(
        "update privacy.erasures set redis_erased_at = %s where ref_sha256 = any(%s)",
        (now, sorted(hashes)),
    )
