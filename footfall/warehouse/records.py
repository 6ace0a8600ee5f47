"""Customers' records: what they are made of, and which of them a score set changes."""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection, sql
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import TupleRow, class_row, dict_row

from footfall.errors import NotReady
from footfall.storefront.record import SCORES
from footfall.warehouse.publications import ScoreSetRow

LEAST_LIFE = timedelta(minutes=5)
"""A score that ends sooner counts as over: a publication of a million takes a minute."""

# A record's hash: of its scores, as ml.scores.content has them, its segment and its products. Of
# changed records, one in 2^64 is taken for the same.
_CONTENT: LiteralString = (
    "hashtextextended(coalesce(rfm.segment, ''),"
    " jsonb_hash_extended(coalesce(products.products, '[]'), {bits}))"
)
_MODEL: LiteralString = """
    left join (
        select
            customer_id, coalesce(probability, amount) as prediction, probability, percentile,
            reasons, fallback, scored_at, expires_at, content as bits
        from ml.scores
        where
            score_set = %(score_set)s and model_id = {model_id} and expires_at > %(ends_after)s
            {only}
    ) as {alias} using (customer_id)
"""
# Asked for by customer_id, all joins in that order, which the indexes give: nothing is sorted.
_CUSTOMERS: LiteralString = """
    from (
        select customer_id from analytics.dim_customers where is_profilable {only}
    ) as customers
    {models}
    left join analytics.customer_rfm rfm
        on rfm.customer_id = customers.customer_id and rfm.as_of = %(as_of)s
    left join analytics.customer_products products
        on products.customer_id = customers.customer_id and products.as_of <= %(as_of)s
    where num_nonnulls({predictions}) > 0
"""

_RECORDS: LiteralString = f"""
    select
        customers.customer_id, rfm.segment, coalesce(products.products, '[]')::text,
        {_CONTENT}, greatest({{scored_at}}),
        date_trunc('second', least({{expires_at}}, %(expires_at)s)), {{scores}}
    {_CUSTOMERS}
    order by customers.customer_id
"""
_SCORE: tuple[LiteralString, ...] = ("prediction", "percentile", "reasons::text", "fallback")

_CHANGES: LiteralString = f"""
    with fresh as (
        select
            customers.customer_id, num_nonnulls({{fallback}}) > 0 as base_rate, {{probabilities}},
            coalesce(rfm.segment, '') as segment, {_CONTENT} as content
        {_CUSTOMERS}
    ),
    live as (
        select
            customer_id, case when expires_at > %(due)s then content end as content, segment,
            expires_at
        from serving.published_records
        where version = %(version)s {{only}}
    ),
    paired as (
        select
            coalesce(fresh.customer_id, live.customer_id) as customer_id,
            fresh.customer_id is not null as is_fresh,
            live.customer_id is not null as is_live,
            fresh.content is distinct from live.content as is_changed,
            fresh.segment is distinct from live.segment as is_moved,
            live.expires_at, fresh.segment, fresh.base_rate, {{names}}
        from fresh
        full join live on live.customer_id = fresh.customer_id
    ),
    counted as (
        select
            grouping(segment) as is_total,
            segment,
            count(*) filter (where is_fresh) as records,
            count(*) filter (where is_live) as before,
            count(*) filter (where is_fresh and is_live) as kept,
            count(*) filter (where is_fresh and is_live and is_moved) as segment_changed,
            count(*) filter (where is_fresh and is_live and is_changed) as changed,
            count(*) filter (where is_fresh and base_rate) as base_rates,
            jsonb_build_object({{sums}}) as sums,
            jsonb_build_object({{counts}}) as scored,
            min(expires_at) filter (where is_fresh and is_live and not is_changed) as first_expiry,
            array_agg(customer_id) filter (where is_fresh and is_changed) as written,
            array_agg(customer_id) filter (where not is_fresh) as gone
        from paired
        group by grouping sets ((), (segment))
    )
    select
        records, base_rates, sums, scored, (
            select coalesce(jsonb_object_agg(segment, records), '{{{{}}}}')
            from counted
            where is_total = 0 and records > 0
        ) as segments,
        before, kept, segment_changed, changed, first_expiry,
        coalesce(written, '{{{{}}}}') as written, coalesce(gone, '{{{{}}}}') as gone
    from counted
    where is_total = 1
"""

# What customers' records in the live version add to its numbers.
_STANDING: LiteralString = """
    with standing as (
        select
            live.segment, num_nonnulls({fallback}) > 0 as base_rate, {probabilities}
        from (
            select customer_id, segment from serving.published_records
            where version = %(version)s {only}
        ) as live
        {models}
    )
    select
        count(*) as records, count(*) filter (where base_rate) as base_rates,
        jsonb_build_object({sums}) as sums, jsonb_build_object({counts}) as scored, (
            select coalesce(jsonb_object_agg(segment, records), '{{}}')
            from (select segment, count(*) as records from standing group by segment) as each
        ) as segments
    from standing
"""


class ScoredBy(NamedTuple):
    """A model whose scores are in a set."""

    name: str
    model_id: str


class RecordRow(NamedTuple):
    """What one customer's record is made of.

    Attributes:
        customer_id: whose it is.
        segment: of the customer, by RFM.
        products: a JSON list of product ids.
        content: a hash of all but the instants.
        scored_at: of the newest of the scores.
        expires_at: of the record.
        scores: of each model in turn its prediction, percentile, reasons (a JSON list) and, if the
            prediction is a base rate, why; all None where the model has no fresh score.
    """

    customer_id: str
    segment: str | None
    products: str
    content: int
    scored_at: datetime
    expires_at: datetime
    scores: tuple[Any, ...]


OTHER_COLUMNS = len(RecordRow._fields) - 1
SCORE_COLUMNS = len(_SCORE)
ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Totals:
    """Records in numbers.

    Attributes:
        records: how many there are.
        base_rates: those with a base rate in the place of a score.
        sums: of the probabilities, by score.
        scored: how many have that score.
        segments: how many are in each segment; '' is none.
    """

    records: int
    base_rates: int
    sums: Mapping[str, float]
    scored: Mapping[str, int]
    segments: Mapping[str, int]

    def changed(self, was: "Totals", now: "Totals") -> "Totals":
        """Return the totals once some of the records, ``was`` in all, have become ``now``."""
        segments = Counter(self.segments)
        segments.subtract(was.segments)
        segments.update(now.segments)
        return Totals(
            self.records - was.records + now.records,
            self.base_rates - was.base_rates + now.base_rates,
            {name: self.sums[name] - was.sums[name] + now.sums[name] for name in SCORES},
            {name: self.scored[name] - was.scored[name] + now.scored[name] for name in SCORES},
            {name: count for name, count in sorted(segments.items()) if count},
        )


@dataclass(frozen=True)
class Changes:
    """What a score set would change in a version: numbers, and whose record is new or gone.

    ``first_expiry``: of the records that stay; None: none does, or not all were looked at.
    """

    totals: Totals
    before: int
    kept: int
    segment_changed: int
    changed: int
    first_expiry: datetime | None
    written: Sequence[str]
    gone: Sequence[str]


def models_of(connection: Connection[TupleRow], score_set: int) -> list[ScoredBy]:
    """Return the models whose scores are in a set, by name."""
    with connection.cursor(row_factory=class_row(ScoredBy)) as cursor:
        return cursor.execute(
            "select name, model_id from ml.models m where exists ("
            "  select from ml.scores s where s.score_set = %s and s.model_id = m.model_id)"
            " order by name, model_id",
            (score_set,),
        ).fetchall()


def stream_records(
    connection: Connection[TupleRow],
    chosen: ScoreSetRow,
    models: Sequence[ScoredBy],
    *,
    now: datetime,
    expires_at: datetime,
    only: Sequence[str] | None = None,
) -> Generator[RecordRow, None, None]:
    """Yield the set's customers who may be profiled now, by customer_id.

    Scores that are over, or will be within LEAST_LIFE, are left out. A record expires at
    ``expires_at``, or with its first score if that is sooner. Postgres works ahead while the caller
    has a row in hand.

    Args:
        connection: to the warehouse.
        chosen: the set.
        models: those in it, as `models_of` gives them.
        now: the publishing clock.
        expires_at: when a record's time is over at the latest.
        only: these customers; None: all.

    Raises:
        NotReady: the warehouse is not built.
    """
    if not models:
        return
    query = sql.SQL(_RECORDS).format(
        **_joined(models, only=only is not None),
        scored_at=_each(models, "{}.scored_at"),
        expires_at=_each(models, "{}.expires_at"),
        scores=_each(models, ", ".join("{0}." + column for column in _SCORE)),
    )
    asked = {
        "score_set": chosen.score_set,
        "as_of": chosen.as_of,
        "ends_after": now + LEAST_LIFE,
        "expires_at": expires_at,
        "only": None if only is None else list(only),
    }
    try:
        with connection.cursor(binary=True) as cursor:
            for row in cursor.stream(query, asked, size=ROWS_AT_ONCE):
                yield RecordRow._make((*row[:OTHER_COLUMNS], row[OTHER_COLUMNS:]))
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None


def changes(
    connection: Connection[TupleRow],
    chosen: ScoreSetRow,
    models: Sequence[ScoredBy],
    version: int,
    *,
    now: datetime,
    due: datetime,
    only: Sequence[str] | None = None,
) -> Changes:
    """Return what a score set would change in a version; what expires by ``due`` is written anew.

    Args:
        connection: to the warehouse.
        chosen: the set.
        models: those in it, as `models_of` gives them.
        version: the live one.
        now: the publishing clock.
        due: when a full publication has to have come.
        only: numbers and names of these customers; None: of all.

    Raises:
        NotReady: the warehouse is not built.
    """
    query = sql.SQL(_CHANGES).format(
        **_joined(models, only=only is not None),
        **_counted(models, where=sql.SQL("is_fresh")),
        names=sql.SQL(", ").join(map(sql.Identifier, SCORES)),
    )
    asked = {
        "score_set": chosen.score_set,
        "as_of": chosen.as_of,
        "ends_after": now + LEAST_LIFE,
        "version": version,
        "due": due,
        "only": None if only is None else list(only),
    }
    try:
        found = _row(connection, query, asked)
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None
    return Changes(_totals(found), **found)


def standing(
    connection: Connection[TupleRow],
    score_set: int,
    models: Sequence[ScoredBy],
    version: int,
    *,
    only: Sequence[str],
) -> Totals:
    """Return what some customers' records add to the totals of a version.

    Args:
        connection: to the warehouse.
        score_set: the one that the version tells.
        models: those in it.
        version: the version.
        only: the customers.
    """
    query = sql.SQL(_STANDING).format(
        **_joined(models, only=True), **_counted(models, where=sql.SQL("true"))
    )
    return _totals(
        _row(
            connection,
            query,
            {
                "score_set": score_set,
                "ends_after": datetime.min.replace(tzinfo=UTC),
                "version": version,
                "only": list(only),
            },
        )
    )


def _row(
    connection: Connection[TupleRow], query: sql.Composed, asked: Mapping[str, Any]
) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query, asked).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found


def _totals(row: dict[str, Any]) -> Totals:
    """Take the totals out of a row."""
    sums = {name: total or 0.0 for name, total in row.pop("sums").items()}
    return Totals(
        sums=sums,
        **{name: row.pop(name) for name in ("records", "base_rates", "scored", "segments")},
    )


def _counted(models: Sequence[ScoredBy], *, where: sql.SQL) -> dict[str, sql.Composable]:
    """Return what queries say that add up probabilities."""
    aliases = {model.name: _alias(at) for at, model in enumerate(models)}

    def each(what: LiteralString) -> sql.Composable:
        return sql.SQL(", ").join(
            sql.SQL("{}, {} filter (where {})").format(
                sql.Literal(name), sql.SQL(what).format(sql.Identifier(name)), where
            )
            for name in SCORES
        )

    return {
        "fallback": _each(models, "{}.fallback"),
        "probabilities": sql.SQL(", ").join(
            sql.SQL("{}.probability as {}").format(aliases[name], sql.Identifier(name))
            if name in aliases
            else sql.SQL("null::float8 as {}").format(sql.Identifier(name))
            for name in SCORES
        ),
        "sums": each("sum({})"),
        "counts": each("count({})"),
    }


def _joined(models: Sequence[ScoredBy], *, only: bool) -> dict[str, sql.Composable]:
    """Return what all queries say of the models."""
    filter_ = sql.SQL("and customer_id = any(%(only)s)" if only else "")
    return {
        "only": filter_,
        "models": sql.SQL(" ").join(
            sql.SQL(_MODEL).format(
                model_id=sql.Literal(model.model_id), only=filter_, alias=_alias(at)
            )
            for at, model in enumerate(models)
        ),
        "bits": sql.SQL(" # ").join(
            sql.SQL("coalesce({}.bits, 0)").format(_alias(at)) for at, _ in enumerate(models)
        ),
        "predictions": _each(models, "{}.prediction"),
    }


def _each(models: Sequence[ScoredBy], columns: LiteralString) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL(columns).format(_alias(at)) for at, _ in enumerate(models))


def _alias(at: int) -> sql.Identifier:
    return sql.Identifier(f"m{at}")


def not_built(error: Exception) -> NotReady:
    """Return the error that says how to make what a query looked for."""
    return NotReady(
        f"the warehouse is not built ({str(error).splitlines()[0]}); run: footfall build"
    )
