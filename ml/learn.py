"""From labelled snapshots to a model and what is known about it: the steps of ml in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.baselines import base_rate, logistic_rfm
from ml.calibrate import Calibration, calibrate
from ml.checks import Candidate, Check, run_checks
from ml.drift import Drift, Reference, compare, reference
from ml.evaluate import Metrics, evaluate
from ml.explain import contributions, margins
from ml.rows import Rows, rows_of
from ml.slices import Slice, factors_of, require_no_trait, slices
from ml.split import Split
from ml.train import Params, Sample, find_rounds, fit, from_bytes, sha256, to_bytes
from ml.unseen import unseen_margins

LOGISTIC, BASE_RATE = "logistic regression on RFM", "base rate"


@dataclass(frozen=True)
class Learnt:
    """A model, judged on a holdout that it has not learnt from.

    Attributes:
        artefact: the model in XGBoost's UBJSON; what is stored is what was measured.
        sha256: of the artefact.
        params: of the trees.
        rounds: how many trees.
        calibration: from margin to probability.
        metrics: on the holdout.
        unseen: metrics on the same rows by models that have seen none of these customers.
        baselines: metrics by name, on the same rows.
        fitted_rows: how many rows it was fitted on.
        frame_sha256: of all rows read.
        holdout: the rows it is judged on.
        probabilities: float[n], on the holdout.
        baseline_probabilities: float[n] by name, on the holdout.
        shap_values: float[n, k], on the holdout.
        reference: what to compare later rows with.
        drift: the holdout's features against the fitted ones.
        checks: what has to hold before it may be promoted.
        slices: the model on parts of the holdout.
    """

    artefact: bytes
    sha256: str
    params: Params
    rounds: int
    calibration: Calibration
    metrics: Metrics
    unseen: Metrics
    baselines: dict[str, Metrics]
    fitted_rows: int
    frame_sha256: str
    holdout: Sample
    probabilities: NDArray[np.float64]
    baseline_probabilities: dict[str, NDArray[np.float64]]
    shap_values: NDArray[np.float64]
    reference: Reference
    drift: list[Drift]
    checks: list[Check]
    slices: list[Slice]


def learn(
    frame: pd.DataFrame | Rows,
    split: Split,
    names: tuple[str, ...],
    params: Params,
    *,
    cluster: str | None = None,
) -> Learnt:
    """Find the number of trees, fit, calibrate and judge.

    Of rows in a file all are fitted; baselines and drift look at evenly spaced ones that fit into
    memory.

    Args:
        frame: ``customer_id``, ``as_of`` (UTC), the features and ``label`` (0.0 or 1.0), in a fixed
            order; or the same as arrays. Other columns are not learnt from; by those that are
            known to `ml.slices` the holdout is sliced.
        split: which as_of is used for what.
        names: the features.
        params: of the trees.
        cluster: address of a Dask scheduler, whose workers grow the trees; None = this process.

    Raises:
        TooFewRows: a part, or half of its customers, has too few rows or one class only.
        UnknownColumns: the frame lacks a feature.
        TraitLearnt: one of the names is a declared trait.
        NoGpu: there is no GPU where one is asked for.
        NoCluster: the Dask scheduler does not answer.
    """
    require_no_trait(names)
    rows = frame
    if not isinstance(rows, Rows):
        rows = rows_of([rows], names, aside=split.holdout)
    validation = rows.sample(split.validation).in_memory()
    searched = find_rounds(rows.sample(split.train), validation, params, cluster=cluster)
    calibration = calibrate(margins(searched.booster, validation.values, names), validation.labels)
    fitted, whole = rows.sample(split.fitted), rows.sample([split.holdout])
    holdout = whole.in_memory()
    artefact = to_bytes(fit(fitted, params, rounds=searched.rounds, cluster=cluster))
    booster = from_bytes(artefact)
    parts = contributions(booster, holdout.values, names)
    probabilities = calibration.probabilities(parts.margins)
    metrics = evaluate(holdout.labels, probabilities)
    near = fitted.in_memory()
    unseen = unseen_margins(near, holdout, params, rounds=searched.rounds, cluster=cluster)
    unseen_metrics = evaluate(holdout.labels, calibration.probabilities(unseen))
    found = slices(holdout, factors_of(rows.aside.iloc[:: whole.step]), probabilities)
    learnt_from = reference(
        near.values,
        names,
        snapshots=len(split.fitted),
        probabilities=probabilities,
        shap_values=parts.shap_values,
    )
    baselines = {
        LOGISTIC: logistic_rfm(near, holdout.values),
        BASE_RATE: base_rate(near, len(holdout.labels)),
    }
    return Learnt(
        artefact=artefact,
        sha256=sha256(artefact),
        params=params,
        rounds=searched.rounds,
        calibration=calibration,
        metrics=metrics,
        unseen=unseen_metrics,
        baselines={name: evaluate(holdout.labels, own) for name, own in baselines.items()},
        fitted_rows=len(fitted.labels),
        frame_sha256=rows.sha256,
        holdout=holdout,
        probabilities=probabilities,
        baseline_probabilities=baselines,
        shap_values=parts.shap_values,
        reference=learnt_from,
        drift=compare(
            learnt_from,
            {
                name: learnt_from.counts(name, column)
                for name, column in zip(names, holdout.values.T, strict=True)
            },
        ),
        checks=run_checks(
            Candidate(
                booster=booster,
                searched=searched.booster,
                params=params,
                rounds=searched.rounds,
                fitted=fitted,
                weeks=[(week, rows.sample([week]).in_memory()) for week in split.validation],
                holdout=holdout,
                probabilities=probabilities,
                metrics=metrics,
                unseen=unseen_metrics,
                cluster=cluster,
                slices=found,
            )
        ),
        slices=found,
    )


def sample(frame: pd.DataFrame, as_ofs: Sequence[datetime], names: tuple[str, ...]) -> Sample:
    """Return the rows of these snapshots."""
    return rows_of([frame], names).sample(as_ofs)
