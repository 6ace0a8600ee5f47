"""Customers' records: what they are made of, and which of them a score set changes."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import TupleRow, class_row

from footfall.errors import NotReady
from footfall.storefront.record import SCORES
from footfall.warehouse.publications import ScoreSetRow

ROWS_PER_FETCH = 2000

# A score's part of a record's hash. A percentile counts by whole points: who gained a tenth because
# somebody else ordered has the same record. Of changed records, one in 2^64 is taken for the same.
_BITS: LiteralString = (
    "hashtextextended(s.model_id || coalesce(s.fallback, ''),"
    " hashfloat8extended(coalesce(s.probability, s.amount),"
    " jsonb_hash_extended(s.reasons, floor(s.percentile)::bigint)))"
)
_CONTENT: LiteralString = (
    "hashtextextended(coalesce(rfm.segment, ''),"
    " jsonb_hash_extended(coalesce(products.products, '[]'), scored.bits))"
)
_JOINED: LiteralString = """
    join analytics.dim_customers customers using (customer_id)
    left join analytics.customer_rfm rfm
        on rfm.customer_id = scored.customer_id and rfm.as_of = %(as_of)s
    left join analytics.customer_products products
        on products.customer_id = scored.customer_id and products.as_of <= %(as_of)s
    where customers.is_profilable
"""

_RECORDS: LiteralString = f"""
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
            bit_xor({_BITS}) as bits,
            max(s.scored_at) as scored_at,
            date_trunc('second', least(min(s.expires_at), %(expires_at)s)) as expires_at
        from ml.scores s
        join ml.models m using (model_id)
        where s.score_set = %(score_set)s and s.expires_at > %(now)s {{only}}
        group by s.customer_id
    )
    select
        scored.customer_id, scored.scores, scored.scored_at, scored.expires_at,
        rfm.segment, coalesce(products.products, '[]') as products, {_CONTENT} as content
    from scored {_JOINED}
"""

_CHANGES: LiteralString = f"""
    with scored as (
        select
            s.customer_id, bit_xor({_BITS}) as bits, bool_or(s.fallback is not null) as base_rate,
            {{probabilities}}
        from ml.scores s
        join ml.models m using (model_id)
        where s.score_set = %(score_set)s and s.expires_at > %(now)s
        group by s.customer_id
    ),
    fresh as (
        select scored.*, coalesce(rfm.segment, '') as segment, {_CONTENT} as content
        from scored {_JOINED}
    ),
    live as (
        select customer_id, case when expires_at > %(due)s then content end as content, segment
        from serving.published_records
        where version = %(version)s
    ),
    paired as (
        select
            coalesce(fresh.customer_id, live.customer_id) as customer_id,
            fresh.customer_id is not null as is_fresh,
            live.customer_id is not null as is_live,
            fresh.content is distinct from live.content as is_changed,
            fresh.segment is distinct from live.segment as is_moved,
            fresh.segment, fresh.base_rate, {{names}}
        from fresh
        full join live on live.customer_id = fresh.customer_id
    )
    select
        count(*) filter (where is_fresh) as records,
        count(*) filter (where is_live) as before,
        count(*) filter (where is_fresh and is_live) as kept,
        count(*) filter (where is_fresh and is_live and is_moved) as segment_changed,
        count(*) filter (where is_fresh and is_live and is_changed) as changed,
        count(*) filter (where is_fresh and base_rate) as base_rates,
        jsonb_build_object({{means}}) as means,
        (
            select coalesce(jsonb_object_agg(counted.segment, counted.customers), '{{{{}}}}')
            from (
                select segment, count(*) as customers from paired where is_fresh group by segment
            ) counted
        ) as segments,
        coalesce((array_agg(customer_id) filter (where is_fresh and is_changed)), '{{{{}}}}')
            as written,
        coalesce((array_agg(customer_id) filter (where not is_fresh)), '{{{{}}}}') as gone
    from paired
"""


@dataclass(frozen=True)
class RecordRow:
    """What one customer's record is made of; scores by model name, ``content`` their hash."""

    customer_id: str
    scores: Mapping[str, Mapping[str, Any]]
    scored_at: datetime
    expires_at: datetime
    segment: str | None
    products: list[Any]
    content: int


@dataclass(frozen=True)
class Changes:
    """What a score set would change in a version: numbers, and whose record is new or gone."""

    records: int
    before: int
    kept: int
    segment_changed: int
    changed: int
    base_rates: int
    means: Mapping[str, float | None]
    segments: Mapping[str, int]
    written: Sequence[str]
    gone: Sequence[str]


def stream_records(
    connection: Connection[TupleRow],
    chosen: ScoreSetRow,
    *,
    now: datetime,
    expires_at: datetime,
    only: Sequence[str] | None = None,
) -> Generator[RecordRow, None, None]:
    """Yield the set's customers who may be profiled now, in any order, scores expired left out.

    A record expires at ``expires_at``, or with its first score if that is sooner.

    Raises:
        NotReady: the warehouse is not built.
    """
    filter_ = "" if only is None else "and s.customer_id = any(%(only)s)"
    try:
        with (
            connection.transaction(),
            connection.cursor("records", row_factory=class_row(RecordRow)) as cursor,
        ):
            cursor.itersize = ROWS_PER_FETCH
            cursor.execute(
                _RECORDS.format(only=filter_),
                {
                    "score_set": chosen.score_set,
                    "as_of": chosen.as_of,
                    "now": now,
                    "expires_at": expires_at,
                    "only": None if only is None else list(only),
                },
            )
            yield from cursor
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None


def changes(
    connection: Connection[TupleRow],
    chosen: ScoreSetRow,
    version: int,
    *,
    now: datetime,
    due: datetime,
) -> Changes:
    """Return what a score set would change in a version; what expires by ``due`` is written anew.

    Raises:
        NotReady: the warehouse is not built.
    """
    names = [sql.Identifier(name) for name in SCORES]
    query = sql.SQL(_CHANGES).format(
        probabilities=sql.SQL(", ").join(
            sql.SQL("max(s.probability) filter (where m.name = {}) as {}").format(name, column)
            for name, column in zip(map(sql.Literal, SCORES), names, strict=True)
        ),
        names=sql.SQL(", ").join(names),
        means=sql.SQL(", ").join(
            sql.SQL("{}, avg({}) filter (where is_fresh)").format(sql.Literal(name), column)
            for name, column in zip(SCORES, names, strict=True)
        ),
    )
    try:
        with connection.cursor(row_factory=class_row(Changes)) as cursor:
            found = cursor.execute(
                query,
                {
                    "score_set": chosen.score_set,
                    "as_of": chosen.as_of,
                    "now": now,
                    "version": version,
                    "due": due,
                },
            ).fetchone()
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None
    assert found is not None, "an aggregate gives a row"
    return found


def not_built(error: Exception) -> NotReady:
    """Return the error that says how to make what a query looked for."""
    return NotReady(
        f"the warehouse is not built ({str(error).splitlines()[0]}); run: footfall build"
    )
