"""Score sets: all champions' scores of one instant, written whole or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

SCORE_COLUMNS: LiteralString = (
    "score_set, model_id, customer_id, as_of, probability, amount, percentile, margin, base_value,"
    " shap_values, feature_values, reasons, features_sha256, scored_at, expires_at, fallback"
)


@dataclass(frozen=True)
class ScoreRow:
    """One customer's score by one model, with all that explains it.

    Attributes:
        probability: of a model of classes; None: it predicts an amount.
        amount: of a model of amounts, in the shop's currency; None: it predicts a probability.
        margin: what the model adds up to: log-odds, or the logarithm of an amount.
        fallback: why it is a base rate and not the model's own; None: it is the model's.
    """

    score_set: int
    model_id: str
    customer_id: str
    as_of: datetime
    probability: float | None
    amount: float | None
    percentile: float
    margin: float
    base_value: float
    shap_values: Sequence[float]
    feature_values: Sequence[float | None]
    reasons: Sequence[dict[str, Any]]
    features_sha256: str
    scored_at: datetime
    expires_at: datetime
    fallback: str | None = None


def lock_score_sets(connection: Connection[TupleRow]) -> None:
    """Wait for a running erasure, and keep later ones out until this transaction ends.

    Call it before the transaction's first query, whose snapshot would not see that erasure.
    """
    connection.execute("lock table ml.score_sets in row exclusive mode")


def begin_score_set(
    connection: Connection[TupleRow], as_of: datetime, model_ids: Sequence[str]
) -> int:
    """Open a score set in this transaction; return its number.

    It notes the last build that has finished: what later ones change, its scores need not know.
    """
    row = connection.execute(
        "insert into ml.score_sets (as_of, model_ids, build_id) values (%s, %s, ("
        "  select max(build_id) from ops.builds where finished_at is not null))"
        " returning score_set",
        (as_of, list(model_ids)),
    ).fetchone()
    assert row is not None
    return int(row[0])


def copy_scores(connection: Connection[TupleRow], rows: Iterable[ScoreRow]) -> int:
    """Write scores by COPY; return how many."""
    count = 0
    with (
        connection.cursor() as cursor,
        cursor.copy("copy ml.scores (" + SCORE_COLUMNS + ") from stdin") as copy,
    ):
        for row in rows:
            copy.write_row(
                (
                    row.score_set,
                    row.model_id,
                    row.customer_id,
                    row.as_of,
                    row.probability,
                    row.amount,
                    row.percentile,
                    row.margin,
                    row.base_value,
                    _array(row.shap_values),
                    _array(row.feature_values),
                    Jsonb(row.reasons),
                    row.features_sha256,
                    row.scored_at,
                    row.expires_at,
                    row.fallback,
                )
            )
            count += 1
    return count


def newest_set_by(connection: Connection[TupleRow], model_id: str) -> int | None:
    """Return the newest complete set that a model took part in; None if there is none."""
    row = connection.execute(
        "select max(score_set) from ml.score_sets"
        " where completed_at is not null and %s = any(model_ids)",
        (model_id,),
    ).fetchone()
    newest: int | None = row[0] if row else None
    return newest


def features_of_scores(
    connection: Connection[TupleRow],
    score_set: int,
    model_id: str,
    first: str,
    last: str,
    *,
    tolerance: float,
) -> dict[str, str]:
    """Return the features' SHA-256 by customer_id, from the first customer to the last.

    Left out are base rates, and scores whose parts are farther than the tolerance from their
    margin.
    """
    rows = connection.execute(
        "select customer_id, features_sha256 from ml.scores"
        " where score_set = %s and model_id = %s and customer_id between %s and %s"
        " and fallback is null"
        " and abs(base_value + (select sum(part) from unnest(shap_values) as part) - margin) <= %s",
        (score_set, model_id, first, last, tolerance),
    )
    return {customer_id: features_sha256 for customer_id, features_sha256 in rows}


def keep_scores(
    connection: Connection[TupleRow],
    kept_set: int,
    model_id: str,
    ranks: Mapping[str, float],
    *,
    score_set: int,
    as_of: datetime,
    scored_at: datetime,
    expires_at: datetime,
) -> int:
    """Take customers' scores by a model over from an earlier set, inside Postgres; return how many.

    Of these only the percentile is another. A record tells its whole points.

    Args:
        connection: to the warehouse.
        kept_set: the earlier set.
        model_id: whose scores.
        ranks: the new percentile by customer_id.
        score_set: the new set.
        as_of: of the new set.
        scored_at: of the new set.
        expires_at: of the new set.
    """
    return connection.execute(
        "insert into ml.scores (" + SCORE_COLUMNS + ", is_changed)"
        " select %(score_set)s, model_id, customer_id, %(as_of)s, probability, amount,"
        " stands.percentile, margin, base_value, shap_values, feature_values, reasons,"
        " features_sha256, %(scored_at)s, %(expires_at)s, fallback,"
        " floor(stands.percentile) <> floor(scores.percentile)"
        " from unnest(%(customer_ids)s::text[], %(percentiles)s::float8[])"
        " as stands (customer_id, percentile) join ml.scores using (customer_id)"
        " where score_set = %(kept_set)s and model_id = %(model_id)s",
        {
            "score_set": score_set,
            "as_of": as_of,
            "scored_at": scored_at,
            "expires_at": expires_at,
            "customer_ids": list(ranks),
            "percentiles": list(ranks.values()),
            "kept_set": kept_set,
            "model_id": model_id,
        },
    ).rowcount


def complete_score_set(
    connection: Connection[TupleRow],
    score_set: int,
    *,
    records: int,
    kept_set: int | None,
    now: datetime,
) -> None:
    """Declare a set readable, once this transaction commits.

    Args:
        connection: to the warehouse.
        score_set: its number.
        records: how many scores it has.
        kept_set: the earlier set that all its models' scores were compared with; None: there is no
            such one.
        now: when.
    """
    connection.execute(
        "update ml.score_sets set completed_at = %s, records = %s, kept_set = %s"
        " where score_set = %s",
        (now, records, kept_set, score_set),
    )


def newest_score(
    connection: Connection[TupleRow],
    customer_id: str,
    *,
    model: str | None = None,
    as_of: datetime | None = None,
    score_set: int | None = None,
) -> ScoreRow | None:
    """Return a customer's score in the newest complete set that has one; None if there is none.

    Args:
        connection: to the warehouse.
        customer_id: whose.
        model: only by this model: a model_id or a name. Without it, churn is preferred.
        as_of: only of this instant.
        score_set: only of this set.
    """
    with connection.cursor(row_factory=class_row(ScoreRow)) as cursor:
        return cursor.execute(
            "select s.score_set, s.model_id, s.customer_id, s.as_of, s.probability, s.amount,"
            " s.percentile, s.margin, s.base_value, s.shap_values, s.feature_values, s.reasons,"
            " s.features_sha256, s.scored_at, s.expires_at, s.fallback"
            " from ml.scores s"
            " join ml.score_sets t using (score_set) join ml.models m using (model_id)"
            " where t.completed_at is not null and s.customer_id = %(customer_id)s"
            " and (%(model)s::text is null or %(model)s in (m.model_id, m.name))"
            " and (%(as_of)s::timestamptz is null or s.as_of = %(as_of)s)"
            " and (%(score_set)s::bigint is null or s.score_set = %(score_set)s)"
            " order by s.score_set desc, m.name limit 1",
            {
                "customer_id": customer_id,
                "model": model,
                "as_of": as_of,
                "score_set": score_set,
            },
        ).fetchone()


def _array(values: Sequence[float | None]) -> str:
    return "{" + ",".join("NULL" if value is None else repr(value) for value in values) + "}"
