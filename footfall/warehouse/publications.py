"""Publications as Postgres keeps them, and the records that they carry.

States of a publication: ``building`` (being written to Redis), ``live`` (ff:current points at it),
``previous`` (was live, can be again), ``expired`` (was live, its time is over) and ``abandoned``
(its publisher died or was fenced out; it never was live).
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import TupleRow, class_row

from footfall.errors import NotReady

LOCK = 0x73657276  # one at a time draws epochs or books states; held for one short transaction
ROWS_PER_FETCH = 2000

_NEWEST = """
    select s.score_set, s.as_of, (
        select v.verdict
        from ops.gate_verdicts v
        where v.gate = 'scores' and v.subject = s.score_set::text
        order by v.verdict_id desc
        limit 1
    ) as verdict
    from ml.score_sets s
    where s.completed_at is not null
    order by s.as_of desc, s.score_set desc
    limit 1
"""

NEWEST_UNPUBLISHED = f"""
    select newest.score_set, newest.as_of
    from ({_NEWEST}) newest
    where newest.verdict in ('pass', 'warn')
    and not exists (
        select from serving.publications p
        join ml.score_sets s using (score_set)
        where p.state in ('live', 'previous', 'expired')
        and (s.as_of, s.score_set) >= (newest.as_of, newest.score_set)
    )
"""

_RECORDS = """
    with scored as (
        select
            s.customer_id,
            jsonb_object_agg(m.name, jsonb_build_object(
                'model_id', s.model_id,
                'prediction', coalesce(s.probability, s.amount),
                'percentile', s.percentile,
                'reasons', s.reasons,
                'fallback', s.fallback
            )) as scores,
            max(s.scored_at) as scored_at,
            date_trunc('second', least(min(s.expires_at), %(expires_at)s)) as expires_at
        from ml.scores s
        join ml.models m using (model_id)
        where s.score_set = %(score_set)s and s.expires_at > %(now)s
        group by s.customer_id
    )
    select
        scored.customer_id, scored.scores, scored.scored_at, scored.expires_at,
        rfm.segment, coalesce(products.products, '[]') as products
    from scored
    join analytics.dim_customers customers using (customer_id)
    left join analytics.customer_rfm rfm
        on rfm.customer_id = scored.customer_id and rfm.as_of = %(as_of)s
    left join analytics.customer_products products
        on products.customer_id = scored.customer_id and products.as_of <= %(as_of)s
    where customers.is_profilable
    order by scored.customer_id
"""

_PUBLICATIONS = """
    select p.version, p.score_set, s.as_of, p.records, p.checksum, p.published_at, p.expires_at,
           p.state, p.epoch, p.scored_customers
    from serving.publications p
    join ml.score_sets s using (score_set)
"""


@dataclass(frozen=True)
class ScoreSetRow:
    """A complete score set and what the gate said last: pass, warn, stop, or None for nothing."""

    score_set: int
    as_of: datetime
    verdict: str | None


@dataclass(frozen=True)
class RecordRow:
    """What one customer's record is made of; scores by model name."""

    customer_id: str
    scores: Mapping[str, Mapping[str, Any]]
    scored_at: datetime
    expires_at: datetime
    segment: str | None
    products: list[Any]


@dataclass(frozen=True)
class PublicationRow:
    """One row of serving.publications."""

    version: int
    score_set: int
    as_of: datetime
    records: int | None
    checksum: str | None
    published_at: datetime | None
    expires_at: datetime | None
    state: str
    epoch: int
    scored_customers: int | None


def newest_score_set(connection: Connection[TupleRow]) -> ScoreSetRow | None:
    """Return the newest complete score set by as_of, then by number."""
    with connection.cursor(row_factory=class_row(ScoreSetRow)) as cursor:
        return cursor.execute(_NEWEST).fetchone()


def last_expiry(
    connection: Connection[TupleRow], score_set: int, *, now: datetime, expires_at: datetime
) -> datetime | None:
    """Return when the last record of the set would expire; None if its scores all have."""
    row = connection.execute(
        "select date_trunc('second', max(least(first_expiry, %s))) from ("
        " select min(expires_at) as first_expiry from ml.scores"
        " where score_set = %s and expires_at > %s group by customer_id) as customers",
        (expires_at, score_set, now),
    ).fetchone()
    return row[0] if row else None


def draw_epoch(connection: Connection[TupleRow], *, beyond: int = 0) -> int:
    """Return an epoch greater than all before it and than ``beyond``, the last that Redis saw."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        return _scalar(
            connection,
            "select setval('serving.epochs', greatest(nextval('serving.epochs'), %s))",
            beyond + 1,
        )


def begin(connection: Connection[TupleRow], score_set: int, *, epoch: int, beyond: int = 0) -> int:
    """Add a publication in state building; return its version, greater than ``beyond``."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        return _scalar(
            connection,
            "with counter as ("
            "  select pg_get_serial_sequence('serving.publications', 'version')::regclass as name),"
            " drawn as ("
            "  select setval(name, greatest(nextval(name), %s)) as version from counter)"
            " insert into serving.publications (version, score_set, state, epoch)"
            " overriding system value select version, %s, 'building', %s from drawn"
            " returning version",
            beyond + 1,
            score_set,
            epoch,
        )


def stream_records(
    connection: Connection[TupleRow], chosen: ScoreSetRow, *, now: datetime, expires_at: datetime
) -> Generator[RecordRow, None, None]:
    """Yield the set's customers who may be profiled now, by customer_id, scores expired left out.

    A record expires at ``expires_at``, or with its first score if that is sooner.

    Raises:
        NotReady: the warehouse is not built.
    """
    try:
        with (
            connection.transaction(),
            connection.cursor("records", row_factory=class_row(RecordRow)) as cursor,
        ):
            cursor.itersize = ROWS_PER_FETCH
            cursor.execute(
                _RECORDS,
                {
                    "score_set": chosen.score_set,
                    "as_of": chosen.as_of,
                    "now": now,
                    "expires_at": expires_at,
                },
            )
            yield from cursor
    except (UndefinedTable, UndefinedColumn) as error:
        raise _not_built(error) from None


def scored_customers(connection: Connection[TupleRow], score_set: int) -> dict[str, bool]:
    """Return the customers with a score in the set, and whether each may be profiled now.

    Raises:
        NotReady: the warehouse is not built.
    """
    try:
        return dict(
            connection.execute(
                "select s.customer_id, coalesce(bool_or(c.is_profilable), false)"
                " from ml.scores s left join analytics.dim_customers c using (customer_id)"
                " where s.score_set = %s group by s.customer_id",
                (score_set,),
            ).fetchall()
        )
    except (UndefinedTable, UndefinedColumn) as error:
        raise _not_built(error) from None


def fill(
    connection: Connection[TupleRow],
    version: int,
    *,
    records: int,
    checksum: str,
    expires_at: datetime,
    scored: int,
) -> None:
    """Note what was written to Redis, before it goes live."""
    connection.execute(
        "update serving.publications"
        " set records = %s, checksum = %s, expires_at = %s, scored_customers = %s"
        " where version = %s",
        (records, checksum, expires_at, scored, version),
    )


def recount(connection: Connection[TupleRow], version: int, *, records: int, scored: int) -> None:
    """Note that records were withdrawn from a publication that is not live."""
    connection.execute(
        "update serving.publications set records = %s, scored_customers = %s where version = %s",
        (records, scored, version),
    )


def abandon(connection: Connection[TupleRow], version: int) -> None:
    """Mark a publication that will never be live."""
    connection.execute(
        "update serving.publications set state = 'abandoned'"
        " where version = %s and state = 'building'",
        (version,),
    )


def settle(
    connection: Connection[TupleRow], version: int, *, epoch: int, at: datetime, now: datetime
) -> None:
    """Book that Redis flipped to ``version`` under ``epoch``. Twice, or too late, changes nothing.

    Publications still building under a smaller epoch can never flip: they are abandoned.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(
            "update serving.publications set"
            " state = case when version = %(version)s then 'live'"
            "   when state = 'building' then 'abandoned'"
            "   when expires_at <= %(now)s then 'expired' else 'previous' end,"
            " published_at = case when version = %(version)s"
            "   then coalesce(published_at, %(at)s) else published_at end,"
            " epoch = case when version = %(version)s then %(epoch)s else epoch end"
            " where (version = %(version)s or state in ('live', 'previous')"
            "        or (state = 'building' and epoch < %(epoch)s))"
            " and not exists (select from serving.publications newer"
            "   where newer.state = 'live' and newer.epoch > %(epoch)s)",
            {"version": version, "epoch": epoch, "at": at, "now": now},
        )


def publications(connection: Connection[TupleRow]) -> list[PublicationRow]:
    """Return all publications, the newest first."""
    with connection.cursor(row_factory=class_row(PublicationRow)) as cursor:
        return cursor.execute(_PUBLICATIONS + " order by p.version desc").fetchall()


def publication(connection: Connection[TupleRow], version: int) -> PublicationRow | None:
    """Return one publication."""
    with connection.cursor(row_factory=class_row(PublicationRow)) as cursor:
        return cursor.execute(_PUBLICATIONS + " where p.version = %s", (version,)).fetchone()


def _scalar(connection: Connection[TupleRow], query: Any, *parameters: Any) -> int:
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise RuntimeError("a query that always answers gave no row")
    return int(row[0])


def _not_built(error: Exception) -> NotReady:
    return NotReady(
        f"the warehouse is not built ({str(error).splitlines()[0]}); run: footfall build"
    )
