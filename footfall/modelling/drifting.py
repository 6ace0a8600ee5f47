"""Measure each score set against what its models have learnt from, and say when to train anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.modelling.models import label_of
from footfall.warehouse import drift as store
from footfall.warehouse import features, models
from footfall.warehouse.connection import transaction
from footfall.warehouse.drift import DriftRow, Word
from ml.errors import TooFewRows
from ml.labels import LABELS, Label
from ml.split import WEEK, saturdays

if TYPE_CHECKING:
    from ml.drift import Drift, Outcome, Reference

CHUNK_ROWS = 20_000
SHOWN = 5  # features in a line


@dataclass(frozen=True)
class ModelDrift:
    """What one model was found to be worth in the newest score set.

    Attributes:
        model_id: the model.
        name: purchase or churn.
        score_set: the set that was measured.
        as_of: the set's instant.
        verdict: steady, moved, shifted, too few rows or no reference.
        rows: how many customers were compared.
        reason: why nothing could be compared; None if it could.
        moved: the features that are not steady, the most moved first.
        features: all of them.
        score: the predictions against those of the holdout; None of base rates.
        label: what was predicted and what happened, of the newest instant whose labels are known;
            None while there is none.
    """

    model_id: str
    name: str
    score_set: int
    as_of: datetime
    verdict: Word
    rows: int
    reason: str | None
    moved: Sequence[str]
    features: Sequence[Mapping[str, Any]]
    score: Mapping[str, Any] | None
    label: Mapping[str, Any] | None

    @classmethod
    def of(cls, row: DriftRow) -> "ModelDrift":
        """Return what is stored."""
        measures = row.measures
        moved = [each["feature"] for each in measures["features"] if each["reading"] != "steady"]
        return cls(
            model_id=row.model_id,
            name=row.name,
            score_set=row.score_set,
            as_of=row.as_of,
            verdict=row.verdict,
            moved=moved,
            **measures,
        )

    def line(self) -> str:
        """Return the verdict and what it rests on in one line."""
        from ml.kinds import KINDS

        told = [f"{len(self.moved)} of {len(self.features)} features moved" + self._most_moved()]
        if self.reason:
            told = [self.reason]
        if self.score:
            told.append(f"score {self.score['reading']} (PSI {self.score['psi']:.2f})")
        if self.label:
            kind = KINDS["amount" if "gini" in self.label else "class"]
            told.append(f"labels {self.label['reading']}: {kind.told_outcome(self.label)}")
        return (
            f"{self.model_id}: {self.verdict} as of {self.as_of.isoformat()}, {self.rows:,} "
            f"customers: {'; '.join(told)}"
        )

    def _most_moved(self) -> str:
        psi = {each["feature"]: each["psi"] for each in self.features}
        shown = [f"{name} (PSI {psi[name]:.2f})" for name in self.moved[:SHOWN]]
        rest = ["…"] if len(self.moved) > SHOWN else []
        return f": {', '.join([*shown, *rest])}" if shown else ""


def drift_words(score_set: int) -> dict[str, Word]:
    """Return the verdict on each model of a set, by model_id."""
    with transaction() as connection:
        return {row.model_id: row.verdict for row in store.of_score_set(connection, score_set)}


def newest_drift() -> list[ModelDrift]:
    """Return the newest verdict of each model name."""
    with transaction() as connection:
        return [ModelDrift.of(row) for row in store.newest(connection)]


def record_drift(
    connection: Connection[TupleRow],
    score_set: int,
    chosen: Sequence[models.ModelRow],
    as_of: datetime,
    *,
    fallback: Mapping[str, str],
) -> dict[str, Word]:
    """Measure the models of a set that was just written, and store the verdicts.

    Args:
        connection: in the transaction that writes the set.
        score_set: its number.
        chosen: its models.
        as_of: its instant.
        fallback: the models whose scores are base rates.

    Returns:
        The verdict by model_id.
    """
    found: dict[str, Word] = {}
    for model in chosen:
        is_own = model.model_id not in fallback
        verdict, measures = _measure(connection, model, as_of, score_set if is_own else None)
        store.record(connection, score_set, model.model_id, as_of, verdict, measures)
        found[model.model_id] = verdict
    return found


def drift_line(verdicts: Mapping[str, str]) -> str:
    """Return what a line about a score set has to say of drift; nothing if all is steady.

    >>> drift_line({"churn-1": "shifted", "purchase-1": "steady"})
    '; drift: churn-1 shifted, see: footfall drift'
    """
    told = [f"{name} {word}" for name, word in verdicts.items() if word != "steady"]
    return f"; drift: {', '.join(told)}, see: footfall drift" if told else ""


def known_outcome(
    connection: Connection[TupleRow], model: models.ModelRow, as_of: datetime
) -> "tuple[datetime, Outcome] | None":
    """Compare the newest predictions whose labels are known by ``as_of`` with these labels.

    Returns:
        The instant of the predictions and the comparison; None while too few labels are known.
    """
    from ml.kinds import kind_of

    label = label_of(model)
    outcomes = store.newest_outcomes(connection, model.model_id, label, as_of=as_of)
    if outcomes is None:
        return None
    try:
        return outcomes.as_of, kind_of(label).outcome(outcomes.labels, outcomes.predictions)
    except TooFewRows:
        return None


def _measure(
    connection: Connection[TupleRow],
    model: models.ModelRow,
    as_of: datetime,
    score_set: int | None,
) -> tuple[Word, dict[str, Any]]:
    """Return the verdict on a model and its measures; without a set, of features only."""
    from ml.drift import PROBABILITY, Reference, model_reading

    outcome = known_outcome(connection, model, as_of)
    label = {**outcome[1].as_dict(), "as_of": outcome[0].isoformat()} if outcome else None
    measures: dict[str, Any] = {
        "rows": 0,
        "reason": None,
        "features": [],
        "score": None,
        "label": label,
    }
    stored = models.reference(connection, model.model_id)
    if stored is None:
        measures["reason"] = (
            "what it learnt from was not kept when it was trained; train and promote a newer one: "
            f"footfall train {model.name}"
        )
        return "no reference", measures
    known = Reference.from_dict(stored)
    try:
        measures["rows"], compared = _compare(connection, model, as_of, score_set, known)
    except TooFewRows as error:
        return "too few rows", {**measures, "reason": str(error)}
    own = [row.as_dict() for row in compared if row.feature == PROBABILITY]
    measures["score"] = own[0] if own else None
    measures["features"] = [row.as_dict() for row in compared if row.feature != PROBABILITY]
    return model_reading(known, compared, outcome[1] if outcome else None), measures


def _compare(
    connection: Connection[TupleRow],
    model: models.ModelRow,
    as_of: datetime,
    score_set: int | None,
    known: "Reference",
) -> "tuple[int, list[Drift]]":
    """Count the population's features into the reference's cells, and compare."""
    from ml.drift import PROBABILITY, compare
    from ml.features import matrix

    label, names = label_of(model), tuple(model.features)
    rows = 0
    counts: dict[str, Any] = {}
    for chunk in features.read_snapshot(
        connection,
        as_of,
        names,
        activity_column=label.activity_column,
        chunk_rows=CHUNK_ROWS,
    ):
        rows += len(chunk)
        for name, column in zip(names, matrix(chunk, names).T, strict=True):
            counts[name] = counts.get(name, 0) + known.counts(name, column)
    if rows == 0:
        raise TooFewRows(f"nobody is of the population of {model.name}")
    if score_set is not None:
        given = store.predictions(connection, score_set, model.model_id)
        counts[PROBABILITY] = known.counts(PROBABILITY, given)
    return rows, compare(known, counts)


@dataclass(frozen=True)
class TrainingDue:
    """The models that drift asks to be trained anew, and by what score set."""

    names: tuple[str, ...]
    score_set: int
    as_of: datetime


def training_due(score_set: int) -> TrainingDue | None:
    """Ask for the training of each model that has shifted; None when there is nothing to ask.

    At most once per model and newest snapshot whose labels are known: before the next one, there is
    nothing new to learn from.
    """
    with transaction() as connection:
        shifted = [
            row for row in store.of_score_set(connection, score_set) if row.verdict == "shifted"
        ]
        names = tuple(
            row.name
            for row in shifted
            if row.name in LABELS
            and store.ask_for_training(
                connection,
                row.name,
                newest_labelled(LABELS[row.name], row.as_of),
                score_set=score_set,
            )
        )
    return TrainingDue(names, score_set, shifted[0].as_of) if names else None


def newest_labelled(label: Label, as_of: datetime) -> datetime:
    """Return the newest snapshot of the grid whose labels have ended by ``as_of``."""
    return saturdays(as_of - label.horizon - WEEK, as_of - label.horizon)[-1]
