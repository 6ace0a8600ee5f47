"""From labelled snapshots to a model and what is known about it: the steps of ml in their order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.baselines import base_rate, logistic_rfm
from ml.calibrate import Calibration, calibrate
from ml.checks import Candidate, Check, run_checks
from ml.drift import Drift, drift
from ml.evaluate import Metrics, evaluate
from ml.explain import contributions, margins
from ml.features import matrix
from ml.split import Split
from ml.train import Params, Sample, find_rounds, fit, from_bytes, sha256, to_bytes

LOGISTIC, BASE_RATE = "logistic regression on RFM", "base rate"


@dataclass(frozen=True)
class Learnt:
    """A model, judged on a holdout that it has not learnt from.

    Attributes:
        artefact: the model in XGBoost's UBJSON; what is stored is what was measured.
        sha256: of the artefact.
        rounds: how many trees.
        calibration: from margin to probability.
        metrics: on the holdout.
        baselines: metrics by name, on the same rows.
        fitted_rows: how many rows it was fitted on.
        frame_sha256: of all rows read.
        holdout: the rows it is judged on.
        probabilities: float[n], on the holdout.
        baseline_probabilities: float[n] by name, on the holdout.
        shap_values: float[n, k], on the holdout.
        drift: the holdout's features against the fitted ones.
        checks: what has to hold before it may be promoted.
    """

    artefact: bytes
    sha256: str
    rounds: int
    calibration: Calibration
    metrics: Metrics
    baselines: dict[str, Metrics]
    fitted_rows: int
    frame_sha256: str
    holdout: Sample
    probabilities: NDArray[np.float64]
    baseline_probabilities: dict[str, NDArray[np.float64]]
    shap_values: NDArray[np.float64]
    drift: list[Drift]
    checks: list[Check]


def learn(frame: pd.DataFrame, split: Split, names: tuple[str, ...], params: Params) -> Learnt:
    """Find the number of trees, fit, calibrate and judge.

    Args:
        frame: ``customer_id``, ``as_of`` (UTC), the features and ``label`` (0.0 or 1.0), in a fixed
            order.
        split: which as_of is used for what.
        names: the features.
        params: of the trees.

    Raises:
        TooFewRows: a part has too few rows, or one class only.
        UnknownColumns: the frame lacks a feature.
    """
    validation = sample(frame, split.validation, names)
    searched, rounds = find_rounds(sample(frame, split.train, names), validation, params)
    calibration = calibrate(margins(searched, validation.values, names), validation.labels)
    fitted, holdout = sample(frame, split.fitted, names), sample(frame, [split.holdout], names)
    artefact = to_bytes(fit(fitted, params, rounds=rounds))
    booster = from_bytes(artefact)
    parts = contributions(booster, holdout.values, names)
    probabilities = calibration.probabilities(parts.margins)
    metrics = evaluate(holdout.labels, probabilities)
    baselines = {
        LOGISTIC: logistic_rfm(fitted, holdout.values),
        BASE_RATE: base_rate(fitted, len(holdout.labels)),
    }
    return Learnt(
        artefact=artefact,
        sha256=sha256(artefact),
        rounds=rounds,
        calibration=calibration,
        metrics=metrics,
        baselines={name: evaluate(holdout.labels, own) for name, own in baselines.items()},
        fitted_rows=len(fitted.labels),
        frame_sha256=frame_sha256(frame, names),
        holdout=holdout,
        probabilities=probabilities,
        baseline_probabilities=baselines,
        shap_values=parts.shap_values,
        drift=drift(
            pd.DataFrame(fitted.values, columns=list(names)),
            pd.DataFrame(holdout.values, columns=list(names)),
        ),
        checks=run_checks(
            Candidate(
                booster=booster,
                searched=searched,
                params=params,
                rounds=rounds,
                fitted=fitted,
                weeks=[(week, sample(frame, [week], names)) for week in split.validation],
                holdout=holdout,
                probabilities=probabilities,
                metrics=metrics,
            )
        ),
    )


def sample(frame: pd.DataFrame, as_ofs: Sequence[datetime], names: tuple[str, ...]) -> Sample:
    """Return the rows of these snapshots."""
    rows = frame[frame["as_of"].isin(list(as_ofs))]
    return Sample(matrix(rows, names), rows["label"].to_numpy(dtype=np.float64), names)


def frame_sha256(frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    """Return a hash of who, when, features and labels, in the frame's order."""
    digest = hashlib.sha256((",".join(names) + "\n").encode())
    digest.update("\n".join(frame["customer_id"].astype(str)).encode())
    digest.update("\n".join(as_of.isoformat() for as_of in frame["as_of"]).encode())
    values = matrix(frame, (*names, "label"))
    digest.update(np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8").tobytes())
    return digest.hexdigest()
