"""What is known about a model when its report and its card are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ml.calibrate import Calibration
from ml.changes import Changes
from ml.checks import Check
from ml.drift import Drift
from ml.features import BY_NAME
from ml.interactions import Interaction
from ml.kinds import Kind, kind_of
from ml.labels import Label
from ml.promote import Metrics
from ml.slices import AmountSlice, Slice
from ml.split import Split
from ml.train import Sample


@dataclass(frozen=True)
class Lineage:
    """Where the rows came from.

    Attributes:
        builds: how many builds made the snapshots.
        build_ids: the first and the last of them.
        loads: how many loads these builds and those before them took in.
        load_ids: the first and the last of them.
        events: how many events those stored.
        tables: the dbt models that the features are computed by, upstream first.
    """

    builds: int
    build_ids: tuple[int, int] | None
    loads: int
    load_ids: tuple[int, int] | None
    events: int
    tables: Sequence[str]


@dataclass(frozen=True)
class Evidence:
    """What a report and a card are written from.

    Attributes:
        model_id: the model's id.
        sha256: of its artefact.
        label: what it predicts.
        as_of: nothing later was used.
        split: which snapshots were used for what.
        fitted_rows: how many rows it was fitted on.
        frame_sha256: of all rows read, features and labels.
        params: the trees' parameters.
        calibration: from margin to probability.
        holdout: the rows it is judged on.
        predictions: float[n], its own on the holdout: probabilities or amounts.
        baselines: float[n] by name, on the holdout.
        shap_values: float[n, k], log-odds, on the holdout.
        drift: features of the holdout against those it was fitted on.
        checks: what has to hold before it may be promoted.
        slices: the model on parts of the holdout.
        interactions: pairs of features, the strongest first.
        changes: against the champion of the day; None = there is none.
        lineage: where the rows came from; None = not told.
    """

    model_id: str
    sha256: str
    label: Label
    as_of: datetime
    split: Split
    fitted_rows: int
    frame_sha256: str
    params: Mapping[str, float]
    calibration: Calibration
    holdout: Sample
    predictions: NDArray[np.float64]
    baselines: Mapping[str, NDArray[np.float64]]
    shap_values: NDArray[np.float64]
    drift: Sequence[Drift]
    checks: Sequence[Check]
    slices: Sequence[Slice | AmountSlice]
    interactions: Sequence[Interaction]
    changes: Changes | None = None
    lineage: Lineage | None = None

    @property
    def kind(self) -> Kind:
        """What kind of label is predicted."""
        return kind_of(self.label)

    @property
    def named(self) -> dict[str, NDArray[np.float64]]:
        """The predictions of the model, then of its baselines."""
        return {"model": self.predictions, **self.baselines}

    def metrics(self) -> dict[str, Metrics]:
        """Measure the model and its baselines on the holdout."""
        return {
            name: self.kind.evaluate(self.holdout.labels, own) for name, own in self.named.items()
        }

    def ranked(self) -> list[tuple[str, str, float]]:
        """Return each feature's name, meaning and mean |SHAP|, the strongest first."""
        strength = np.abs(self.shap_values).mean(axis=0)
        order = np.argsort(-strength, kind="stable")
        names = [self.holdout.names[index] for index in order]
        return [
            (name, BY_NAME[name].description, float(own))
            for name, own in zip(names, strength[order], strict=True)
        ]
