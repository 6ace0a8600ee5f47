"""Write the audit report of a model: one HTML file that needs nothing else.

It says what was predicted from what, how good that is beside its baselines on weeks that the model
has not seen, what it rests on, what has moved since, and where it does worse. It holds no
customer's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import jinja2
import numpy as np
from numpy.typing import NDArray

from ml import plots
from ml.calibrate import Calibration
from ml.checks import Check
from ml.drift import Drift
from ml.errors import TooFewRows
from ml.evaluate import Metrics, equal_count_bins, evaluate
from ml.features import BY_NAME
from ml.labels import Label
from ml.split import Split
from ml.train import Sample

SLICE_COLUMN = "order_count_90d"
SLICES = ((0, 0, "no order"), (1, 3, "1 to 3"), (4, 10, "4 to 10"), (11, np.inf, "11 or more"))


@dataclass(frozen=True)
class Evidence:
    """What a report is written from.

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
        probabilities: float[n], its own on the holdout.
        baselines: float[n] by name, on the holdout.
        shap_values: float[n, k], log-odds, on the holdout.
        drift: features of the holdout against those it was fitted on.
        checks: what has to hold before it may be promoted.
    """

    model_id: str
    sha256: str
    label: Label
    as_of: datetime
    split: Split
    fitted_rows: int
    frame_sha256: str
    params: Mapping[str, object]
    calibration: Calibration
    holdout: Sample
    probabilities: NDArray[np.float64]
    baselines: Mapping[str, NDArray[np.float64]]
    shap_values: NDArray[np.float64]
    drift: Sequence[Drift]
    checks: Sequence[Check]


@dataclass(frozen=True)
class Slice:
    """The model on a part of the holdout; metrics is None where the part is too small to say."""

    name: str
    rows: int
    metrics: Metrics | None


def slices(
    sample: Sample, probabilities: NDArray[np.float64], *, column: str = SLICE_COLUMN
) -> list[Slice]:
    """Measure the model apart for customers who order rarely and often."""
    activity = sample.values[:, sample.names.index(column)]
    found = []
    for low, high, name in SLICES:
        part = (activity >= low) & (activity <= high)
        if part.any():
            try:
                metrics = evaluate(sample.labels[part], probabilities[part])
            except TooFewRows:
                metrics = None
            found.append(Slice(name, int(part.sum()), metrics))
    return found


def audit_report(evidence: Evidence) -> str:
    """Return the report as HTML; the same evidence gives the same text."""
    labels = evidence.holdout.labels
    named = {"model": evidence.probabilities, **evidence.baselines}
    metrics = {name: evaluate(labels, scores) for name, scores in named.items()}
    return _template().render(
        evidence=evidence,
        label=evidence.label,
        metrics=metrics,
        model=metrics["model"],
        findings=findings(metrics, evidence.checks),
        slices=slices(evidence.holdout, evidence.probabilities),
        features=_ranked(evidence),
        pictures=_pictures(evidence, named),
    )


def findings(metrics: Mapping[str, Metrics], checks: Sequence[Check]) -> list[str]:
    """Return what a reader should worry about, in sentences; empty = nothing."""
    model = metrics["model"]
    failed = [check.detail for check in checks if not check.passed]
    beaten = [
        f"the log loss is not better than that of the baseline “{name}”"
        for name, baseline in metrics.items()
        if name != "model" and model.log_loss >= baseline.log_loss
    ]
    return [f"{told[:1].upper()}{told[1:]}." for told in (*failed, *beaten)]


def _ranked(evidence: Evidence) -> list[tuple[str, str, float]]:
    strength = np.abs(evidence.shap_values).mean(axis=0)
    order = np.argsort(-strength, kind="stable")
    names = evidence.holdout.names
    return [
        (names[index], BY_NAME[names[index]].description, float(strength[index])) for index in order
    ]


def _pictures(evidence: Evidence, named: Mapping[str, NDArray[np.float64]]) -> dict[str, str]:
    labels, names = evidence.holdout.labels, evidence.holdout.names
    curves = {name: scores for name, scores in named.items() if np.ptp(scores) > 0}
    return {
        "roc": plots.roc(labels, curves),
        "precision_recall": plots.precision_recall(labels, curves),
        "reliability": plots.reliability(equal_count_bins(labels, evidence.probabilities)),
        "gains": plots.gains(labels, evidence.probabilities),
        "importance": plots.importance(evidence.shap_values, names),
        "beeswarm": plots.beeswarm(evidence.shap_values, evidence.holdout.values, names),
    }


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ml", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
