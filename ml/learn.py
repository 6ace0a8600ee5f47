"""From labelled snapshots to a model and what is known about it: the steps of ml in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.calibrate import Calibration
from ml.checks import Candidate, Check
from ml.drift import Drift, Reference, compare, reference
from ml.explain import contributions, margins
from ml.kinds import kind_of
from ml.labels import CHURN, Label
from ml.promote import Metrics
from ml.rows import Rows, rows_of
from ml.slices import AmountSlice, Slice, factors_of, require_no_trait
from ml.split import Split, forward_folds
from ml.train import Params, Sample, find_rounds, fit, from_bytes, sha256, to_bytes
from ml.unseen import unseen_margins


@dataclass(frozen=True)
class Learnt:
    """A model, judged on a holdout that it has not learnt from.

    Attributes:
        artefact: the model in XGBoost's UBJSON; what is stored is what was measured.
        sha256: of the artefact.
        params: of the trees.
        rounds: how many trees.
        calibration: from margin to prediction.
        metrics: on the holdout.
        unseen: metrics on the same rows by models that have seen none of these customers.
        baselines: metrics by name, on the same rows.
        fitted_rows: how many rows it was fitted on.
        frame_sha256: of all rows read.
        holdout: the rows it is judged on.
        predictions: float[n], on the holdout: probabilities or amounts.
        baseline_predictions: float[n] by name, on the holdout.
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
    predictions: NDArray[np.float64]
    baseline_predictions: dict[str, NDArray[np.float64]]
    shap_values: NDArray[np.float64]
    reference: Reference
    drift: list[Drift]
    checks: list[Check]
    slices: Sequence[Slice | AmountSlice]


def learn(
    frame: pd.DataFrame | Rows,
    split: Split,
    names: tuple[str, ...],
    params: Params,
    *,
    label: Label = CHURN,
    cluster: str | None = None,
) -> Learnt:
    """Find the number of trees, fit, calibrate and judge.

    Of rows in a file all are fitted, and those of validation and holdout are all judged by;
    baselines, drift and the models of unseen customers are made from evenly spaced ones that fit
    into memory.

    Args:
        frame: ``customer_id``, ``as_of`` (UTC), the features and ``label`` (0.0 or 1.0, or an
            amount), in a fixed order; or the same as arrays. Other columns are not learnt from; by
            those that are known to `ml.slices` the holdout is sliced, and a baseline of amounts
            reads those of `ml.lifetime_value`.
        split: which as_of is used for what.
        names: the features.
        params: of the trees, for this kind of label.
        label: what is predicted; its kind and horizon count.
        cluster: address of a Dask scheduler, whose workers grow the trees; None = this process.

    Raises:
        TooFewRows: a part, or half of its customers, has too few rows or one class only.
        UnknownColumns: the frame lacks a feature.
        TraitLearnt: one of the names is a declared trait.
        NoGpu: there is no GPU where one is asked for.
        NoCluster: the Dask scheduler does not answer.
    """
    require_no_trait(names)
    kind, rows = kind_of(label), frame
    if not isinstance(rows, Rows):
        rows = rows_of([rows], names, aside=split.told)
    train, validation = rows.fold(split)
    searched = find_rounds(train, validation, params, cluster=cluster)
    calibration = kind.calibrate(
        margins(searched.booster, validation.values, names), validation.labels, params
    )
    fitted, holdout = rows.sample(split.fitted), rows.sample([split.holdout]).in_memory()
    asked = rows.beside(split.holdout)
    artefact = to_bytes(fit(fitted, params, rounds=searched.rounds, cluster=cluster))
    booster = from_bytes(artefact)
    parts = contributions(booster, holdout.values, names)
    predictions = kind.predictions(calibration, parts.margins)
    metrics = kind.evaluate(holdout.labels, predictions)
    near = fitted.thinned()
    unseen = unseen_margins(near, holdout, params, rounds=searched.rounds, cluster=cluster)
    unseen_metrics = kind.evaluate(holdout.labels, kind.predictions(calibration, unseen))
    found = kind.slices(holdout, factors_of(asked), predictions)
    learnt_from = reference(
        near.values,
        names,
        snapshots=len(split.fitted),
        predictions=predictions,
        shap_values=parts.shap_values,
    )
    baselines = kind.baselines(
        near,
        holdout,
        known=rows.beside(split.fitted[-1]),
        asked=asked,
        horizon=label.horizon,
    )
    return Learnt(
        artefact=artefact,
        sha256=sha256(artefact),
        params=params,
        rounds=searched.rounds,
        calibration=calibration,
        metrics=metrics,
        unseen=unseen_metrics,
        baselines={name: kind.evaluate(holdout.labels, own) for name, own in baselines.items()},
        fitted_rows=len(fitted.labels),
        frame_sha256=rows.sha256,
        holdout=holdout,
        predictions=predictions,
        baseline_predictions=baselines,
        shap_values=parts.shap_values,
        reference=learnt_from,
        drift=compare(
            learnt_from,
            {
                name: learnt_from.counts(name, column)
                for name, column in zip(names, holdout.values.T, strict=True)
            },
        ),
        checks=kind.checks(
            Candidate(
                booster=booster,
                searched=searched.booster,
                params=params,
                rounds=searched.rounds,
                fitted=fitted,
                sizes=rows.sizes(split.fitted),
                weeks=rows.weeks(split),
                earlier=[
                    (rows.sample(fold.train), rows.weeks(fold))
                    for fold in forward_folds(split, label.horizon)[:-1]
                ],
                holdout=holdout,
                predictions=predictions,
                metrics=metrics,
                unseen=unseen_metrics,
                ranking=kind.ranking,
                losses=kind.yardstick.losses,
                cluster=cluster,
                slices=found,
            )
        ),
        slices=found,
    )


def sample(frame: pd.DataFrame, as_ofs: Sequence[datetime], names: tuple[str, ...]) -> Sample:
    """Return the rows of these snapshots."""
    return rows_of([frame], names).sample(as_ofs)
