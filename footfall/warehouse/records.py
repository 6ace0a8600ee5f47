"""Customers' records: what they are made of, and what was published of them.

``serving.published_records`` is the image of what Redis holds: per version and customer a hash of
what the record says (without its instants), its SHA-1, its segment and when it expires. With it
Postgres can tell which records a new score set changes, without anybody reading all of them.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    "hashtextextended(s.model_id || coalesce(s.fallback, ''), hashfloat8extended(coalesce(s.probability, s.amount),"
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
class ImageRow:
    """What Redis holds of one customer; None for content and sha1: it is not known."""

    customer_id: str
    content: int | None
    sha1: bytes | None
    segment: str
    expires_at: datetime


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


@dataclass(frozen=True)
class Paired:
    """Two versions beside each other, in numbers."""

    before: int
    kept: int
    new: int
    changed: int
    segment_changed: int


Images = Callable[[ImageRow], None]
"""Where the rows of an image go."""


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


@contextmanager
def new_image(connection: Connection[TupleRow], version: int) -> Iterator[Images]:
    """Yield what takes the image of a new version, row by row; kept if the block ends well."""
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(
            "copy serving.published_records"
            " (version, customer_id, content, sha1, segment, expires_at) from stdin (format binary)"
        ) as copy,
    ):
        copy.set_types(["int8", "text", "int8", "bytea", "text", "timestamptz"])

        def add(row: ImageRow) -> None:
            copy.write_row(
                (version, row.customer_id, row.content, row.sha1, row.segment, row.expires_at)
            )

        yield add


def image(
    connection: Connection[TupleRow], version: int, *, now: datetime
) -> Generator[ImageRow, None, None]:
    """Yield what Redis should hold of a version now, by customer_id in the order of bytes."""
    with (
        connection.transaction(),
        connection.cursor("image", row_factory=class_row(ImageRow)) as cursor,
    ):
        cursor.itersize = ROWS_PER_FETCH
        yield from cursor.execute(
            "select customer_id, content, sha1, segment, expires_at"
            " from serving.published_records where version = %s and expires_at > %s"
            " order by customer_id",
            (version, now),
        )


def sample(
    connection: Connection[TupleRow], version: int, *, now: datetime, size: int
) -> dict[str, bytes]:
    """Return some customers' SHA-1 in a version: the same ones as long as it does not change."""
    return dict(
        connection.execute(
            "select customer_id, sha1 from serving.published_records"
            " where version = %s and expires_at > %s and sha1 is not null"
            " order by customer_id limit %s",
            (version, now, size),
        ).fetchall()
    )


def pair(connection: Connection[TupleRow], before: int, after: int) -> Paired:
    """Compare the images of two versions."""
    with connection.cursor(row_factory=class_row(Paired)) as cursor:
        found = cursor.execute(
            "with old as (select * from serving.published_records where version = %s),"
            " new as (select * from serving.published_records where version = %s)"
            " select count(old.customer_id) as before,"
            " count(*) filter (where old.customer_id = new.customer_id) as kept,"
            " count(*) filter (where old.customer_id is null) as new,"
            " count(*) filter (where old.customer_id = new.customer_id"
            "   and old.content is distinct from new.content) as changed,"
            " count(*) filter (where old.customer_id = new.customer_id"
            "   and old.segment <> new.segment) as segment_changed"
            " from old full join new on old.customer_id = new.customer_id",
            (before, after),
        ).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found


def withdrawn(connection: Connection[TupleRow], version: int, score_set: int) -> list[str]:
    """Return the customers of an image who may not be profiled any more, or were erased.

    Raises:
        NotReady: the warehouse is not built.
    """
    try:
        rows = connection.execute(
            "select r.customer_id from serving.published_records r"
            " left join analytics.dim_customers c"
            " on c.customer_id = r.customer_id and c.is_profilable"
            " where r.version = %(version)s and (c.customer_id is null or not exists ("
            "   select from ml.scores s"
            "   where s.score_set = %(score_set)s and s.customer_id = r.customer_id))",
            {"version": version, "score_set": score_set},
        ).fetchall()
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None
    return [name for (name,) in rows]


def still_allowed(
    connection: Connection[TupleRow], customer_ids: Sequence[str], score_set: int
) -> set[str]:
    """Return those of some customers who may be profiled now and are in the set."""
    rows = connection.execute(
        "select customer_id from analytics.dim_customers"
        " where customer_id = any(%(ids)s) and is_profilable and exists ("
        "   select from ml.scores where scores.customer_id = dim_customers.customer_id"
        "   and score_set = %(score_set)s)",
        {"ids": list(customer_ids), "score_set": score_set},
    ).fetchall()
    return {name for (name,) in rows}


def count(connection: Connection[TupleRow], version: int) -> int:
    """Return how many customers an image has."""
    row = connection.execute(
        "select count(*) from serving.published_records where version = %s", (version,)
    ).fetchone()
    return int(row[0]) if row else 0


def drop(connection: Connection[TupleRow], version: int, customer_ids: Sequence[str]) -> None:
    """Take customers out of an image."""
    connection.execute(
        "delete from serving.published_records where version = %s and customer_id = any(%s)",
        (version, list(customer_ids)),
    )


def doubt(
    connection: Connection[TupleRow],
    version: int,
    rows: Iterable[ImageRow],
    gone: Sequence[str],
) -> None:
    """Note, before a delta is applied, that its customers' records may be old or new, or gone."""
    with connection.transaction():
        _upsert(connection, version, rows, content="null", sha1="null")
        connection.execute(
            "update serving.published_records set content = null, sha1 = null"
            " where version = %s and customer_id = any(%s)",
            (version, list(gone)),
        )


def replace(connection: Connection[TupleRow], version: int, rows: Iterable[ImageRow]) -> None:
    """Note, once a delta was applied, what its customers' records are now."""
    _upsert(connection, version, rows, content="new.content", sha1="new.sha1")


def _upsert(
    connection: Connection[TupleRow],
    version: int,
    rows: Iterable[ImageRow],
    *,
    content: LiteralString,
    sha1: LiteralString,
) -> None:
    given = list(rows)
    connection.execute(
        "insert into serving.published_records"
        f" select %s, new.customer_id, {content}, {sha1}, new.segment, new.expires_at"
        " from unnest(%s::text[], %s::int8[], %s::bytea[], %s::text[], %s::timestamptz[])"
        "   as new (customer_id, content, sha1, segment, expires_at)"
        " on conflict (version, customer_id) do update set content = excluded.content,"
        " sha1 = excluded.sha1, segment = excluded.segment, expires_at = excluded.expires_at",
        (
            version,
            [row.customer_id for row in given],
            [row.content for row in given],
            [row.sha1 for row in given],
            [row.segment for row in given],
            [row.expires_at for row in given],
        ),
    )


def forget_images(connection: Connection[TupleRow], *, now: datetime) -> None:
    """Delete the images of versions that nobody can go back to."""
    connection.execute(
        "delete from serving.published_records where version in ("
        " select distinct image.version from ("
        "   with recursive versions as ("
        "     (select version from serving.published_records order by version limit 1)"
        "     union all"
        "     select (select r.version from serving.published_records r"
        "             where r.version > versions.version order by r.version limit 1)"
        "     from versions where versions.version is not null)"
        "   select version from versions where version is not null) image"
        " left join serving.publications p using (version)"
        " where p.state is null or p.state in ('abandoned', 'refused', 'expired')"
        " or (p.state = 'previous' and p.expires_at <= %s))",
        (now,),
    )


def not_built(error: Exception) -> NotReady:
    """Return the error that says how to make what a query looked for."""
    return NotReady(
        f"the warehouse is not built ({str(error).splitlines()[0]}); run: footfall build"
    )
