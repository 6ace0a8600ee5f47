"""Score sets: all champions' scores of one instant, written whole or not at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

SCORE_COLUMNS = (
    "score_set, model_id, customer_id, as_of, probability, percentile, margin, base_value,"
    " shap_values, feature_values, reasons, features_sha256, scored_at, expires_at"
)


@dataclass(frozen=True)
class ScoreRow:
    """One customer's score by one model, with all that explains it."""

    score_set: int
    model_id: str
    customer_id: str
    as_of: datetime
    probability: float
    percentile: float
    margin: float
    base_value: float
    shap_values: Sequence[float]
    feature_values: Sequence[float | None]
    reasons: Sequence[dict[str, Any]]
    features_sha256: str
    scored_at: datetime
    expires_at: datetime


def lock_score_sets(connection: Connection[TupleRow]) -> None:
    """Wait for a running erasure, and keep later ones out until this transaction ends.

    Call it before the transaction's first query, whose snapshot would not see that erasure.
    """
    connection.execute("lock table ml.score_sets in row exclusive mode")


def begin_score_set(
    connection: Connection[TupleRow], as_of: datetime, model_ids: Sequence[str]
) -> int:
    """Open a score set in this transaction; return its number."""
    row = connection.execute(
        "insert into ml.score_sets (as_of, model_ids) values (%s, %s) returning score_set",
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
                    row.percentile,
                    row.margin,
                    row.base_value,
                    _array(row.shap_values),
                    _array(row.feature_values),
                    Jsonb(row.reasons),
                    row.features_sha256,
                    row.scored_at,
                    row.expires_at,
                )
            )
            count += 1
    return count


def complete_score_set(
    connection: Connection[TupleRow], score_set: int, *, records: int, now: datetime
) -> None:
    """Declare a set readable, once this transaction commits."""
    connection.execute(
        "update ml.score_sets set completed_at = %s, records = %s where score_set = %s",
        (now, records, score_set),
    )


def newest_score(
    connection: Connection[TupleRow],
    customer_id: str,
    *,
    model: str | None = None,
    as_of: datetime | None = None,
) -> ScoreRow | None:
    """Return a customer's score in the newest complete set that has one; None if there is none.

    Args:
        connection: to the warehouse.
        customer_id: whose.
        model: only by this model: a model_id or a name. Without it, churn is preferred.
        as_of: only of this instant.
    """
    with connection.cursor(row_factory=class_row(ScoreRow)) as cursor:
        return cursor.execute(
            "select s.score_set, s.model_id, s.customer_id, s.as_of, s.probability, s.percentile,"
            " s.margin, s.base_value, s.shap_values, s.feature_values, s.reasons,"
            " s.features_sha256, s.scored_at, s.expires_at"
            " from ml.scores s"
            " join ml.score_sets t using (score_set) join ml.models m using (model_id)"
            " where t.completed_at is not null and s.customer_id = %(customer_id)s"
            " and (%(model)s::text is null or %(model)s in (m.model_id, m.name))"
            " and (%(as_of)s::timestamptz is null or s.as_of = %(as_of)s)"
            " order by s.score_set desc, m.name limit 1",
            {"customer_id": customer_id, "model": model, "as_of": as_of},
        ).fetchone()


def _array(values: Sequence[float | None]) -> str:
    return "{" + ",".join("NULL" if value is None else repr(value) for value in values) + "}"
