"""Whose record a score set may change in the live version, by what was noted when it changed.

Scoring notes whose scores are not those of the set before, builds note whose rows they made anew.
Nobody else's record can differ, so nobody else has to be looked at.
"""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.warehouse.publications import PublicationRow, ScoreSetRow

MOST_SHARE = 0.2
"""Of the live version's customers. More of them are found sooner by reading everybody in order."""

# The sets from the chosen one back to the live one, if each took over from the one before.
_CHAIN = """
    with recursive chain as (
        select score_set, kept_set from ml.score_sets where score_set = %(chosen)s
        union all
        select earlier.score_set, earlier.kept_set
        from chain
        join ml.score_sets as earlier on earlier.score_set = chain.kept_set
        where chain.kept_set > %(live)s
    )
    select array_agg(chain.score_set), live.build_id
    from chain, ml.score_sets as live
    join ops.builds as scored_by using (build_id)
    where
        live.score_set = %(live)s
        and live.as_of = %(as_of)s
        and not exists (select from ops.snapshots where as_of > %(as_of)s)
        and not exists (
            select from ops.builds as later
            where
                later.build_id > live.build_id
                and (later.full_refresh or later.rules <> scored_by.rules)
        )
        and exists (select from serving.published_records where version = %(version)s)
        and not exists (
            select from serving.deltas where version = %(version)s and state = 'building'
        )
    group by live.build_id
    having bool_or(chain.kept_set = %(live)s)
"""
_CANDIDATES = """
    select customer_id from ml.scores where is_changed and score_set = any(%(chain)s)
    union
    select customer_id from ops.changed_customers as changed
    where
        build_id > %(build_id)s
        and (
            exists (
                select from serving.published_records as published
                where
                    published.version = %(version)s
                    and published.customer_id = changed.customer_id
            )
            or exists (
                select from ml.scores
                where
                    scores.score_set = %(chosen)s
                    and scores.model_id = any(%(models)s)
                    and scores.customer_id = changed.customer_id
            )
        )
    limit %(most)s
"""


def candidates(
    connection: Connection[TupleRow], chosen: ScoreSetRow, live: PublicationRow
) -> list[str] | None:
    """Return all customers whose record may be another, and some whose record is not.

    Returns:
        None: it was not noted, or there are too many; or a delta is under way, or broke off.
    """
    found = connection.execute(
        _CHAIN,
        {
            "chosen": chosen.score_set,
            "live": live.score_set,
            "as_of": chosen.as_of,
            "version": live.version,
        },
    ).fetchone()
    if found is None:
        return None
    chain, build_id = found
    most = int(MOST_SHARE * (live.records or 0))
    rows = connection.execute(
        _CANDIDATES,
        {
            "chain": chain,
            "build_id": build_id,
            "version": live.version,
            "chosen": chosen.score_set,
            "models": list(chosen.model_ids),
            "most": most + 1,
        },
    ).fetchall()
    return [name for (name,) in rows] if len(rows) <= most else None


def forget_changed(connection: Connection[TupleRow], *, now: datetime) -> None:
    """Delete what builds noted before any set was scored that is live or can be again."""
    connection.execute(
        "delete from ops.changed_customers where build_id <= ("
        " select min(coalesce(s.build_id, 0)) from serving.publications p"
        " join ml.score_sets s using (score_set)"
        " where p.state in ('building', 'live')"
        "   or (p.state = 'previous' and p.expires_at > %s))",
        (now,),
    )
