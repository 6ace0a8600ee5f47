"""Write the audit report of a model: one HTML file that needs nothing else.

It says what was predicted from what, how good that is beside its baselines on weeks that the model
has not seen, what it rests on, what has moved since, where it does worse, and what it changes. It
holds no customer's data.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
import numpy as np
from numpy.typing import NDArray

from ml import plots
from ml.evaluate import MINIMUM_OF_A_CLASS, MINIMUM_ROWS, equal_count_bins
from ml.evidence import Evidence
from ml.features import BY_NAME
from ml.interactions import SAMPLED, Interaction
from ml.slices import CALIBRATION_GAP, ERRORS, RANKING_GAP
from ml.summary import summary

DEPENDENCES = 6  # of the strongest features


@dataclass(frozen=True)
class Picture:
    """A picture as a data URL, and what it shows, in words and numbers."""

    source: str
    text: str


def audit_report(evidence: Evidence) -> str:
    """Return the report as HTML; the same evidence gives the same text."""
    metrics = evidence.metrics()
    return _template().render(
        evidence=evidence,
        label=evidence.label,
        summary=summary(evidence),
        metrics=metrics,
        model=metrics["model"],
        features=evidence.ranked(),
        described=BY_NAME,
        pictures=_pictures(evidence),
        dependences=dependences(evidence),
        interaction=_interaction(evidence),
        limits={
            "calibration": CALIBRATION_GAP,
            "ranking": RANKING_GAP,
            "errors": ERRORS,
            "rows": MINIMUM_ROWS,
            "of_a_class": MINIMUM_OF_A_CLASS,
            "interaction_rows": min(SAMPLED, len(evidence.holdout.labels)),
        },
    )


def dependences(evidence: Evidence) -> dict[str, Picture]:
    """Return a picture of each of the strongest features: its value against what it adds."""
    found = {}
    for name, _, _ in evidence.ranked()[:DEPENDENCES]:
        column = evidence.holdout.names.index(name)
        values, parts = evidence.holdout.values[:, column], evidence.shap_values[:, column]
        if not np.isnan(values).all():
            found[name] = Picture(plots.dependence(values, parts, name), _told(name, values, parts))
    return found


def _told(name: str, values: NDArray[np.float64], parts: NDArray[np.float64]) -> str:
    present = ~np.isnan(values)
    x, y = plots.trend(values[present], parts[present])
    missing = (
        f"; missing in {np.mean(~present):.0%} of customers, where it adds "
        f"{parts[~present].mean():+.2f}"
        if not present.all()
        else ""
    )
    return (
        f"Value of {name} against the log-odds that it adds: {y[0]:+.2f} on average in the lowest "
        f"tenth (about {x[0]:.3g}), {y[len(y) // 2]:+.2f} in the middle (about "
        f"{x[len(x) // 2]:.3g}), {y[-1]:+.2f} in the highest (about {x[-1]:.3g}){missing}."
    )


def _interaction(evidence: Evidence) -> Picture | None:
    if not evidence.interactions:
        return None
    pair = evidence.interactions[0]
    drawn = ~np.isnan(pair.first_values) & ~np.isnan(pair.second_values)
    if not drawn.any():
        return None
    x, second, joint = pair.first_values[drawn], pair.second_values[drawn], pair.joint[drawn]
    means = ", ".join(
        f"{joint[part].mean():+.3f} where {words}"
        for part, words in _corners(x > np.median(x), second > np.median(second), pair)
        if part.any()
    )
    return Picture(
        plots.dependence(x, joint, pair.first, colour=second, colour_name=pair.second),
        f"What {pair.first} and {pair.second} add together, in log-odds, on average: {means}; high "
        "is above the median.",
    )


def _corners(
    first: NDArray[np.bool_], second: NDArray[np.bool_], pair: Interaction
) -> Sequence[tuple[NDArray[np.bool_], str]]:
    """Return four parts of the customers, by whether either value is high."""
    return (
        (~first & ~second, "both are low"),
        (first & ~second, f"{pair.first} alone is high"),
        (~first & second, f"{pair.second} alone is high"),
        (first & second, "both are high"),
    )


def _pictures(evidence: Evidence) -> dict[str, Picture]:
    labels, names = evidence.holdout.labels, evidence.holdout.names
    metrics = evidence.metrics()
    model = metrics["model"]
    curves = {name: scores for name, scores in evidence.named.items() if np.ptp(scores) > 0}
    bins = equal_count_bins(labels, evidence.probabilities)
    each = ", ".join(f"{name} {metrics[name].auc:.3f}" for name in curves)
    precisions = ", ".join(f"{name} {metrics[name].average_precision:.3f}" for name in curves)
    found = plots.found_among(labels, evidence.probabilities, (0.1, 0.2, 0.5))
    strongest = evidence.ranked()[:3]
    return {
        "roc": Picture(
            plots.roc(labels, curves), f"ROC curves; area under the curve: {each}; chance 0.5."
        ),
        "precision_recall": Picture(
            plots.precision_recall(labels, curves),
            f"Precision against recall; average precision: {precisions}; the base rate is "
            f"{model.base_rate:.3f}.",
        ),
        "reliability": Picture(
            plots.reliability(bins),
            "Observed share against predicted probability in ten bins of equally many customers, "
            f"from {bins[0].observed:.3f} observed for {bins[0].predicted:.3f} predicted to "
            f"{bins[-1].observed:.3f} for {bins[-1].predicted:.3f}; the mean gap is "
            f"{model.ece_equal_count:.3f}.",
        ),
        "gains": Picture(
            plots.gains(labels, evidence.probabilities),
            "Cumulative gains: the tenth of customers with the highest scores holds "
            f"{found[0]:.0%} of the positives, the first fifth {found[1]:.0%}, the first half "
            f"{found[2]:.0%}.",
        ),
        "importance": Picture(
            plots.importance(evidence.shap_values, names),
            "Bar chart of the mean absolute SHAP value; the strongest features are "
            + ", ".join(f"{name} {strength:.3f}" for name, _, strength in strongest)
            + ".",
        ),
        "beeswarm": Picture(
            plots.beeswarm(evidence.shap_values, evidence.holdout.values, names),
            "Beeswarm of the SHAP values of the strongest features, one dot per customer; "
            + ", ".join(
                f"{name} adds {np.min(own):+.2f} to {np.max(own):+.2f}"
                for name, own in (
                    (name, evidence.shap_values[:, names.index(name)]) for name, _, _ in strongest
                )
            )
            + ".",
        ),
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
