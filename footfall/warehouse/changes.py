"""Which records of a version a score set changes, and the version's numbers with these."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import TupleRow, dict_row

from footfall.storefront.record import SCORES
from footfall.warehouse.publications import ScoreSetRow
from footfall.warehouse.records import (
    CONTENT,
    CUSTOMERS,
    LEAST_LIFE,
    ScoredBy,
    alias,
    each,
    joined,
    not_built,
)

_CHANGES: LiteralString = f"""
    with fresh as (
        select
            customers.customer_id, num_nonnulls({{fallback}}) > 0 as base_rate, {{probabilities}},
            coalesce(rfm.segment, '') as segment, {CONTENT} as content
        {CUSTOMERS}
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


def find_changes(
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
        **joined(models, only=only is not None),
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
        **joined(models, only=True), **_counted(models, where=sql.SQL("true"))
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
    aliases = {model.name: alias(at) for at, model in enumerate(models)}

    def of_scores(what: LiteralString) -> sql.Composable:
        return sql.SQL(", ").join(
            sql.SQL("{}, {} filter (where {})").format(
                sql.Literal(name), sql.SQL(what).format(sql.Identifier(name)), where
            )
            for name in SCORES
        )

    return {
        "fallback": each(models, "{}.fallback"),
        "probabilities": sql.SQL(", ").join(
            sql.SQL("{}.probability as {}").format(aliases[name], sql.Identifier(name))
            if name in aliases
            else sql.SQL("null::float8 as {}").format(sql.Identifier(name))
            for name in SCORES
        ),
        "sums": of_scores("sum({})"),
        "counts": of_scores("count({})"),
    }
