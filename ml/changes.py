"""What a new model changes against the champion that it would take the place of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.calibrate import Calibration
from ml.explain import contributions
from ml.kinds import KINDS, Kind
from ml.promote import Gain, Metrics, gain
from ml.train import Sample, from_bytes


@dataclass(frozen=True)
class Former:
    """The champion as it is stored.

    Attributes:
        model_id: its id.
        as_of: nothing later was used for it.
        fitted_until: the end of the newest label that it has learnt from.
        fitted_rows: how many rows it was fitted on; None = not noted.
        features: the columns that it reads, in order.
        params: of its trees; others are left aside.
        calibration: from margin to probability.
        artefact: the model itself (UBJSON).
    """

    model_id: str
    as_of: datetime
    fitted_until: datetime
    fitted_rows: int | None
    features: tuple[str, ...]
    params: Mapping[str, Any]
    calibration: Calibration
    artefact: bytes


@dataclass(frozen=True)
class Changes:
    """What is other than with the champion.

    Attributes:
        former: the champion's id.
        former_as_of: nothing later was used for it.
        added: features that it did not read.
        removed: features that only it reads.
        params: name, its value (None = it had none), the new one.
        rows: fitted on so many rows: it (None = not noted), the new one.
        former_metrics: its metrics on the new model's holdout; None = they cannot be had.
        metrics: the new model's, on the same rows.
        gained: by how much the new one's loss is lower.
        not_compared: why there are no metrics; empty if there are.
        ranks: feature, its rank with the champion (None = not read), its rank now.
    """

    former: str
    former_as_of: datetime
    added: Sequence[str]
    removed: Sequence[str]
    params: Sequence[tuple[str, Any, Any]]
    rows: tuple[int | None, int]
    former_metrics: Metrics | None
    metrics: Metrics
    gained: Gain | None
    not_compared: str
    ranks: Sequence[tuple[str, int | None, int]]


def changes(
    former: Former,
    *,
    holdout: Sample,
    holdout_at: datetime,
    predictions: NDArray[np.float64],
    shap_values: NDArray[np.float64],
    params: Mapping[str, Any],
    fitted_rows: int,
    kind: Kind = KINDS["class"],
    shown: int = 10,
) -> Changes:
    """Compare a new model with the champion, on the new model's holdout.

    Args:
        former: the champion.
        holdout: the new model's.
        holdout_at: its instant; a champion that knows labels after it is not measured on it.
        predictions: float[n], the new model's.
        shap_values: float[n, k], the new model's.
        params: of the new model's trees.
        fitted_rows: of the new model.
        kind: of their label.
        shown: so many of the strongest features are ranked.
    """
    own = kind.evaluate(holdout.labels, predictions)
    unknown = [name for name in former.features if name not in holdout.names]
    before: dict[str, int] = {}
    theirs: NDArray[np.float64] | None = None
    why = ""
    if unknown:
        why = f"it reads {', '.join(unknown)}, which the new one's rows do not hold"
    else:
        columns = [holdout.names.index(name) for name in former.features]
        parts = contributions(
            from_bytes(former.artefact), holdout.values[:, columns], former.features
        )
        before = _ranks(parts.shap_values, former.features)
        if former.fitted_until > holdout_at:
            why = (
                f"it has learnt from labels until {former.fitted_until.date()}, later than the "
                f"holdout of {holdout_at.date()}"
            )
        else:
            theirs = kind.predictions(former.calibration, parts.margins)
    now = _ranks(shap_values, holdout.names)
    return Changes(
        former=former.model_id,
        former_as_of=former.as_of,
        added=[name for name in holdout.names if name not in former.features],
        removed=[name for name in former.features if name not in holdout.names],
        params=[
            (name, former.params.get(name), value)
            for name, value in params.items()
            if former.params.get(name) != value
        ],
        rows=(former.fitted_rows, fitted_rows),
        former_metrics=None if theirs is None else kind.evaluate(holdout.labels, theirs),
        metrics=own,
        gained=(
            None
            if theirs is None
            else gain(holdout.labels, predictions, theirs, losses=kind.yardstick.losses)
        ),
        not_compared=why,
        ranks=[(name, before.get(name), rank) for name, rank in now.items() if rank <= shown],
    )


def _ranks(shap_values: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, int]:
    """Return the features, the strongest (1) first."""
    order = np.argsort(-np.abs(shap_values).mean(axis=0), kind="stable")
    return {names[index]: rank for rank, index in enumerate(order, start=1)}
