"""What drift was measured, the outcomes that became known, the trainings that drift asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from psycopg import Connection, sql
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from footfall.warehouse.features import label_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.labels import Label

Word = Literal["steady", "moved", "shifted", "too few rows", "no reference"]


@dataclass(frozen=True)
class DriftRow:
    """One row of ml.drift_verdicts, with the model's name."""

    score_set: int
    model_id: str
    name: str
    as_of: datetime
    verdict: Word
    measures: Mapping[str, Any]


@dataclass(frozen=True)
class Outcomes:
    """What a model predicted as of an instant, and what happened.

    Attributes:
        as_of: the instant of the scores.
        labels: float64[n] of 0.0 and 1.0, or amounts.
        predictions: float64[n].
    """

    as_of: datetime
    labels: "NDArray[np.float64]"
    predictions: "NDArray[np.float64]"


def record(
    connection: Connection[TupleRow],
    score_set: int,
    model_id: str,
    as_of: datetime,
    verdict: Word,
    measures: Mapping[str, Any],
) -> None:
    """Store what was measured of one model of a score set."""
    connection.execute(
        "insert into ml.drift_verdicts (score_set, model_id, as_of, verdict, measures)"
        " values (%s, %s, %s, %s, %s)",
        (score_set, model_id, as_of, verdict, Jsonb(dict(measures))),
    )


def of_score_set(connection: Connection[TupleRow], score_set: int) -> list[DriftRow]:
    """Return the verdicts on a set's models, by name."""
    with connection.cursor(row_factory=class_row(DriftRow)) as cursor:
        return cursor.execute(
            "select d.score_set, d.model_id, m.name, d.as_of, d.verdict, d.measures"
            " from ml.drift_verdicts d join ml.models m using (model_id)"
            " where d.score_set = %s order by m.name",
            (score_set,),
        ).fetchall()


def newest(connection: Connection[TupleRow]) -> list[DriftRow]:
    """Return the newest verdict of each model name: of the latest instant, then of the last set."""
    with connection.cursor(row_factory=class_row(DriftRow)) as cursor:
        return cursor.execute(
            "select distinct on (m.name)"
            " d.score_set, d.model_id, m.name, d.as_of, d.verdict, d.measures"
            " from ml.drift_verdicts d join ml.models m using (model_id)"
            " order by m.name, d.as_of desc, d.score_set desc"
        ).fetchall()


def predictions(
    connection: Connection[TupleRow], score_set: int, model_id: str
) -> "NDArray[np.float64]":
    """Return float64[n], what a model gave to everybody in a set."""
    import numpy as np

    rows = connection.execute(
        "select coalesce(probability, amount) from ml.scores"
        " where score_set = %s and model_id = %s",
        (score_set, model_id),
    )
    return np.fromiter((row[0] for row in rows), dtype=np.float64)


def newest_outcomes(
    connection: Connection[TupleRow], model_id: str, label: "Label", *, as_of: datetime
) -> Outcomes | None:
    """Return the model's newest own scores whose labels were known by ``as_of``; None: none are."""
    import numpy as np

    column = sql.Identifier(label.column)
    chosen = connection.execute(
        sql.SQL(
            "select sets.score_set, sets.as_of from ml.score_sets as sets"
            " where sets.completed_at is not null and %(model_id)s = any(sets.model_ids)"
            " and sets.as_of <= %(scored_by)s"
            " and exists (select from analytics.customer_labels as labels"
            "   where labels.as_of = sets.as_of and labels.{} is not null)"
            " and exists (select from ml.scores where scores.score_set = sets.score_set"
            "   and scores.model_id = %(model_id)s and scores.fallback is null)"
            " order by sets.as_of desc, sets.score_set desc limit 1"
        ).format(column),
        {"model_id": model_id, "scored_by": as_of - label.horizon},
    ).fetchone()
    if chosen is None:
        return None
    rows = connection.execute(
        sql.SQL(
            "select {number}, coalesce(scores.probability, scores.amount) from ml.scores"
            " join analytics.customer_labels as labels using (customer_id, as_of)"
            " where scores.score_set = %s and scores.model_id = %s and scores.fallback is null"
            " and labels.{column} is not null"
        ).format(number=label_number(label, "labels"), column=column),
        (chosen[0], model_id),
    ).fetchall()
    found = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return Outcomes(chosen[1], found[:, 0], found[:, 1])


def ask_for_training(
    connection: Connection[TupleRow], name: str, snapshot: datetime, *, score_set: int
) -> bool:
    """Note that a training is due; tell whether this score set is the one that asked for it.

    The first set of a snapshot asks, the same one again if it is asked again. Where a model of the
    name has been judged on that snapshot or a later one, there is nothing new to learn from.
    """
    connection.execute(
        "insert into ml.trainings_due (name, snapshot, score_set)"
        " select %(name)s, %(snapshot)s, %(score_set)s where not exists (select from ml.models"
        "   where name = %(name)s and (params ->> 'holdout')::timestamptz >= %(snapshot)s)"
        " on conflict do nothing",
        {"name": name, "snapshot": snapshot, "score_set": score_set},
    )
    row = connection.execute(
        "select from ml.trainings_due where name = %s and snapshot = %s and score_set = %s",
        (name, snapshot, score_set),
    ).fetchone()
    return row is not None
