"""Make a challenger the champion, if it is better on rows that neither has learnt from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import NotBetter, NotReady
from footfall.modelling.models import fitted_until, holdout_as_of
from footfall.warehouse import audit, features, models
from footfall.warehouse.build import build_snapshots
from footfall.warehouse.connection import transaction
from ml.errors import MlError
from ml.labels import LABELS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from ml.promote import Decision


@dataclass(frozen=True)
class Promotion:
    """Whether a model became champion, and why.

    Attributes:
        model_id: the model.
        name: purchase or churn.
        promoted: whether it became champion just now.
        reason: in one line.
        champion: the champion of the name after this.
        metrics: of the challenger on its holdout; empty when there was nothing to compare.
        champion_metrics: of the champion before, on the same rows.
        gain: by how much the log loss is lower, and by how much at least; empty likewise.
    """

    model_id: str
    name: str
    promoted: bool
    reason: str
    champion: str | None
    metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]
    gain: Mapping[str, float] = field(default_factory=dict)


def promote(model_id: str, *, now: datetime, actor: str) -> Promotion:
    """Promote a model, or refuse; ``actor`` stands in the audit log.

    Raises:
        NotFound: no model has this id.
        NotBetter: it failed a check, or the champion is better or cannot be compared with it; says
            why.
        NotReady: the holdout cannot be read.
    """
    done = promote_if_better(model_id, now=now, actor=actor)
    if not done.promoted and done.champion != model_id:
        raise NotBetter(f"{model_id} stays challenger: {done.reason}; train a newer one")
    return done


def promote_if_better(model_id: str, *, now: datetime, actor: str) -> Promotion:
    """Promote the first model of its name, or one that beats the champion on the same holdout.

    Raises:
        NotFound: no model has this id.
        NotReady: the holdout cannot be read.
    """
    with transaction() as connection:
        holdout = holdout_as_of(models.find_model(connection, model_id))
        contested = bool(models.champions(connection))
    if contested:
        build_snapshots([holdout])
    with transaction() as connection:
        models.lock_models(connection)
        challenger = models.find_model(connection, model_id)
        champion = next(
            (row for row in models.champions(connection) if row.name == challenger.name), None
        )
        if champion is not None and champion.model_id == model_id:
            return _unchanged(challenger, champion, "is the champion already")
        if reason := _why_unfit(challenger):
            return _unchanged(challenger, champion, reason)
        if champion is not None and fitted_until(champion) > holdout:
            return _unchanged(
                challenger,
                champion,
                f"the champion {champion.model_id} has learnt from labels until "
                f"{fitted_until(champion).date()}, so {holdout.date()} cannot judge it",
            )
        compared = _compare(connection, challenger, champion)
        decision = compared.decision
        if decision.promoted:
            models.crown(connection, challenger, now=now)
            audit.append(
                connection,
                actor=actor,
                act="promote",
                subject=model_id,
                detail={
                    "sha256": challenger.sha256,
                    "reason": decision.reason,
                    "instead_of": champion.model_id if champion else None,
                    **({"gain": dict(compared.gain)} if compared.gain else {}),
                },
                now=now,
            )
    keeps = champion.model_id if champion else None
    return Promotion(
        model_id=model_id,
        name=challenger.name,
        promoted=decision.promoted,
        reason=decision.reason,
        champion=model_id if decision.promoted else keeps,
        metrics=compared.metrics,
        champion_metrics=compared.champion_metrics,
        gain=compared.gain,
    )


def _why_unfit(challenger: models.ModelRow) -> str | None:
    """Say which of its checks a model failed when it was trained; None if it may be promoted."""
    checks = challenger.metrics.get("checks")
    if not checks:
        return "it was trained before models were checked"
    failed = [check["detail"] for check in checks if not check["passed"]]
    return "; ".join(failed) or None


def _unchanged(
    challenger: models.ModelRow, champion: models.ModelRow | None, reason: str
) -> Promotion:
    keeps = champion.model_id if champion else None
    return Promotion(challenger.model_id, challenger.name, False, reason, keeps, {}, {})


@dataclass(frozen=True)
class _Compared:
    decision: "Decision"
    metrics: Mapping[str, float] = field(default_factory=dict)
    champion_metrics: Mapping[str, float] = field(default_factory=dict)
    gain: Mapping[str, float] = field(default_factory=dict)


def _compare(
    connection: Connection[TupleRow],
    challenger: models.ModelRow,
    champion: models.ModelRow | None,
) -> _Compared:
    """Judge both on the challenger's holdout, read once, as the warehouse has it today."""
    from ml.evaluate import evaluate
    from ml.promote import Decision, decide, gain

    if champion is None:
        return _Compared(Decision(True, "the first champion of its name"))
    holdout = holdout_as_of(challenger)
    names = sorted({*challenger.features, *champion.features})
    there = features.feature_columns(connection)
    if gone := [name for name in champion.features if name not in there]:
        return _Compared(
            Decision(True, f"the champion needs {gone[0]}, which is no feature any more")
        )
    label = LABELS[challenger.name]
    frame = features.read_labelled(connection, label, [holdout], names)
    labels = frame["label"].to_numpy(dtype="float64")
    ours = _probabilities(connection, challenger, frame)
    theirs = _probabilities(connection, champion, frame)
    try:
        metrics, champion_metrics = evaluate(labels, ours), evaluate(labels, theirs)
    except MlError as error:
        raise NotReady(f"the holdout of {holdout.date()} cannot judge: {error}") from None
    gained = gain(labels, ours, theirs)
    return _Compared(
        decide(metrics, champion_metrics, gained),
        metrics.as_dict(),
        champion_metrics.as_dict(),
        gained.as_dict(),
    )


def _probabilities(
    connection: Connection[TupleRow], model: models.ModelRow, frame: "pd.DataFrame"
) -> "NDArray[np.float64]":
    from ml.calibrate import Calibration
    from ml.explain import margins
    from ml.features import matrix
    from ml.train import from_bytes

    names = tuple(model.features)
    booster = from_bytes(models.artefact(connection, model.model_id))
    found = margins(booster, matrix(frame, names), names)
    return Calibration(**model.calibration).probabilities(found)
