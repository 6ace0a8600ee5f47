"""Judge a challenger: its checks, and its champion, on rows that neither has learnt from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import NotReady
from footfall.modelling.models import fitted_until, holdout_as_of, label_of
from footfall.warehouse import features, models
from footfall.warehouse.build import build_snapshots
from footfall.warehouse.connection import transaction
from footfall.warehouse.models import ModelRow
from ml.errors import MlError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Judged:
    """What evidence says of a challenger.

    Attributes:
        challenger: the model.
        champion: the champion of its name; None = there is none.
        better: whether it should become champion.
        reason: in one line.
        metrics: of the challenger on its holdout; empty when there was nothing to compare.
        champion_metrics: of the champion, on the same rows.
        gain: by how much the loss is lower, and by how much at least; empty likewise.
    """

    challenger: ModelRow
    champion: ModelRow | None
    better: bool
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    champion_metrics: Mapping[str, float] = field(default_factory=dict)
    gain: Mapping[str, float] = field(default_factory=dict)


def prepare(model_id: str) -> None:
    """Build the snapshot that a challenger is judged on, if there is a champion to judge it by.

    Raises:
        NotFound: no model has this id.
        NotReady: the snapshot cannot be built.
    """
    with transaction() as connection:
        holdout = holdout_as_of(models.find_model(connection, model_id))
        contested = bool(models.champions(connection))
    if contested:
        build_snapshots([holdout])


def judge(
    connection: Connection[TupleRow], model_id: str, *, asked_by_a_person: bool = False
) -> Judged:
    """Judge a challenger whose holdout is built.

    Args:
        connection: to the model store; locked, if something is to follow from it.
        model_id: the challenger.
        asked_by_a_person: a model that was demoted is judged only then.

    Raises:
        NotFound: no model has this id.
        NotReady: the holdout cannot be read.
    """
    challenger = models.find_model(connection, model_id)
    champion = models.champion(connection, challenger.name)
    if champion is not None and champion.model_id == model_id:
        return Judged(challenger, champion, False, "is the champion already")
    if reason := why_unfit(challenger):
        return Judged(challenger, champion, False, reason)
    if challenger.demoted_at and not asked_by_a_person:
        return Judged(
            challenger,
            champion,
            False,
            f"it was demoted on {challenger.demoted_at.date()}; a person may promote it again: "
            f"footfall promote {model_id} --approved-by NAME --because TEXT",
        )
    if champion is None:
        return Judged(challenger, None, True, "the first champion of its name")
    holdout = holdout_as_of(challenger)
    if fitted_until(champion) > holdout:
        return Judged(
            challenger,
            champion,
            False,
            f"the champion {champion.model_id} has learnt from labels until "
            f"{fitted_until(champion).date()}, so {holdout.date()} cannot judge it",
        )
    if gone := missing_features(connection, champion):
        reason = f"the champion needs {gone[0]}, which is no feature any more"
        return Judged(challenger, champion, True, reason)
    return _compare(connection, challenger, champion)


def why_unfit(model: ModelRow) -> str | None:
    """Say which of its checks a model failed when it was trained; None if it may be promoted."""
    checks = model.metrics.get("checks")
    if not checks:
        return "it was trained before models were checked"
    failed = [check["detail"] for check in checks if not check["passed"]]
    return "; ".join(failed) or None


def missing_features(connection: Connection[TupleRow], model: ModelRow) -> Sequence[str]:
    """Return the features of a model that the warehouse no longer has."""
    there = set(features.feature_columns(connection))
    return [name for name in model.features if name not in there]


def _compare(connection: Connection[TupleRow], challenger: ModelRow, champion: ModelRow) -> Judged:
    """Judge both on the challenger's holdout, read once, as the warehouse has it today."""
    from ml.kinds import kind_of
    from ml.promote import decide, gain

    kind = kind_of(label_of(challenger))
    holdout = holdout_as_of(challenger)
    names = sorted({*challenger.features, *champion.features})
    frame = features.read_labelled(connection, label_of(challenger), [holdout], names)
    labels = frame["label"].to_numpy(dtype="float64")
    ours = _predictions(connection, challenger, frame)
    theirs = _predictions(connection, champion, frame)
    try:
        metrics, champion_metrics = kind.evaluate(labels, ours), kind.evaluate(labels, theirs)
    except MlError as error:
        raise NotReady(f"the holdout of {holdout.date()} cannot judge: {error}") from None
    gained = gain(labels, ours, theirs, losses=kind.yardstick.losses)
    decision = decide(metrics, champion_metrics, gained, by=kind.yardstick)
    return Judged(
        challenger,
        champion,
        decision.promoted,
        decision.reason,
        metrics.as_dict(),
        champion_metrics.as_dict(),
        gained.as_dict(),
    )


def _predictions(
    connection: Connection[TupleRow], model: ModelRow, frame: "pd.DataFrame"
) -> "NDArray[np.float64]":
    from ml.calibrate import Calibration
    from ml.explain import margins
    from ml.features import matrix
    from ml.kinds import kind_of
    from ml.train import from_bytes

    names = tuple(model.features)
    booster = from_bytes(models.artefact(connection, model.model_id))
    found = margins(booster, matrix(frame, names), names)
    return kind_of(label_of(model)).predictions(Calibration(**model.calibration), found)
