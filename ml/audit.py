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
from ml.slices import AMOUNT_GAP, CALIBRATION_GAP, ERRORS, RANKING_GAP
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
    kind = evidence.kind
    return _template(TEMPLATES[evidence.label.kind]).render(
        evidence=evidence,
        label=evidence.label,
        margin=kind.margin,
        prediction=kind.prediction,
        loss=kind.yardstick.loss_words,
        summary=summary(evidence),
        metrics=metrics,
        model=metrics["model"],
        features=evidence.ranked(),
        described=BY_NAME,
        pictures={**PICTURES[evidence.label.kind](evidence), **_shap_pictures(evidence)},
        dependences=dependences(evidence),
        interaction=_interaction(evidence),
        limits={
            "calibration": CALIBRATION_GAP,
            "ranking": RANKING_GAP,
            "bias": AMOUNT_GAP,
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
            margin = evidence.kind.margin
            found[name] = Picture(
                plots.dependence(values, parts, name, margin=margin),
                _told(name, values, parts, margin),
            )
    return found


def _told(name: str, values: NDArray[np.float64], parts: NDArray[np.float64], margin: str) -> str:
    present = ~np.isnan(values)
    x, y = plots.trend(values[present], parts[present])
    missing = (
        f"; missing in {np.mean(~present):.0%} of customers, where it adds "
        f"{parts[~present].mean():+.2f}"
        if not present.all()
        else ""
    )
    return (
        f"Value of {name} against the {margin} that it adds: {y[0]:+.2f} on average in the lowest "
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
        plots.dependence(
            x,
            joint,
            pair.first,
            colour=second,
            colour_name=pair.second,
            margin=evidence.kind.margin,
        ),
        f"What {pair.first} and {pair.second} add together, in {evidence.kind.margin}, on average: "
        f"{means}; high is above the median.",
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


def _class_pictures(evidence: Evidence) -> dict[str, Picture]:
    labels = evidence.holdout.labels
    metrics = {name: own.as_dict() for name, own in evidence.metrics().items()}
    model = metrics["model"]
    curves = {name: scores for name, scores in evidence.named.items() if np.ptp(scores) > 0}
    bins = equal_count_bins(labels, evidence.predictions)
    each = ", ".join(f"{name} {metrics[name]['auc']:.3f}" for name in curves)
    precisions = ", ".join(f"{name} {metrics[name]['average_precision']:.3f}" for name in curves)
    found = plots.found_among(labels, evidence.predictions, (0.1, 0.2, 0.5))
    return {
        "roc": Picture(
            plots.roc(labels, curves), f"ROC curves; area under the curve: {each}; chance 0.5."
        ),
        "precision_recall": Picture(
            plots.precision_recall(labels, curves),
            f"Precision against recall; average precision: {precisions}; the base rate is "
            f"{model['base_rate']:.3f}.",
        ),
        "reliability": Picture(
            plots.reliability(bins),
            "Observed share against predicted probability in ten bins of equally many customers, "
            f"from {bins[0].observed:.3f} observed for {bins[0].predicted:.3f} predicted to "
            f"{bins[-1].observed:.3f} for {bins[-1].predicted:.3f}; the mean gap is "
            f"{model['ece_equal_count']:.3f}.",
        ),
        "gains": Picture(
            plots.gains(labels, evidence.predictions),
            "Cumulative gains: the tenth of customers with the highest scores holds "
            f"{found[0]:.0%} of the positives, the first fifth {found[1]:.0%}, the first half "
            f"{found[2]:.0%}.",
        ),
    }


def _amount_pictures(evidence: Evidence) -> dict[str, Picture]:
    labels, amounts = evidence.holdout.labels, evidence.predictions
    bins = equal_count_bins(labels, amounts)
    found = plots.found_among(labels, amounts, (0.1, 0.2, 0.5))
    return {
        "deciles": Picture(
            plots.reliability(bins, predicted="Predicted amount", observed="Observed amount"),
            "Mean observed against mean predicted amount in ten bins of equally many customers, "
            f"from {bins[0].observed:,.2f} observed for {bins[0].predicted:,.2f} predicted to "
            f"{bins[-1].observed:,.2f} for {bins[-1].predicted:,.2f}.",
        ),
        "gains": Picture(
            plots.gains(labels, amounts, of="revenue"),
            "Cumulative gains: the tenth of customers with the highest amounts brings in "
            f"{found[0]:.0%} of the revenue, the first fifth {found[1]:.0%}, the first half "
            f"{found[2]:.0%}.",
        ),
    }


def _shap_pictures(evidence: Evidence) -> dict[str, Picture]:
    names, strongest = evidence.holdout.names, evidence.ranked()[:3]
    margin = evidence.kind.margin
    return {
        "importance": Picture(
            plots.importance(evidence.shap_values, names, margin=margin),
            "Bar chart of the mean absolute SHAP value; the strongest features are "
            + ", ".join(f"{name} {strength:.3f}" for name, _, strength in strongest)
            + ".",
        ),
        "beeswarm": Picture(
            plots.beeswarm(evidence.shap_values, evidence.holdout.values, names, margin=margin),
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


PICTURES = {"class": _class_pictures, "amount": _amount_pictures}
TEMPLATES = {"class": "report.html", "amount": "report_amounts.html"}


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ml", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
