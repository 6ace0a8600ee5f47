"""A model in plain words, for who has to decide about it: report and card begin with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.checks import Check
from ml.evaluate import Metrics
from ml.evidence import Evidence
from ml.slices import told


@dataclass(frozen=True)
class Summary:
    """The answers to four questions, in sentences.

    Attributes:
        predicts: what a probability of 1 means, of whom.
        quality: how good it is, beside what.
        verdict: whether it may be promoted.
        promotable: the same as yes or no.
        worries: what has to be looked at before; empty = nothing.
        notes: what is worth knowing, and stops nothing.
    """

    predicts: str
    quality: str
    verdict: str
    promotable: bool
    worries: Sequence[str]
    notes: Sequence[str]


def summary(evidence: Evidence) -> Summary:
    """Return the model in plain words."""
    metrics = evidence.metrics()
    failed = [check for check in evidence.checks if not check.passed]
    return Summary(
        predicts=(
            f"The probability that a customer {evidence.label.question}, for "
            f"{evidence.label.population}."
        ),
        quality=_quality(metrics),
        verdict=_verdict(len(evidence.checks), failed, evidence),
        promotable=not failed,
        worries=findings(metrics, evidence.checks),
        notes=_notes(evidence),
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


def _quality(metrics: Mapping[str, Metrics]) -> str:
    model = metrics["model"]
    beside = ", ".join(
        f"{100 * own.auc:.0f} by {name}" for name, own in metrics.items() if name != "model"
    )
    return (
        "Of 100 pairs of a customer who did so and one who did not, it ranks "
        f"{100 * model.auc:.0f} in the right order ({beside}). Its probabilities are off by "
        f"{100 * model.ece_equal_count:.1f} percentage points on average, where "
        f"{100 * model.base_rate:.1f} % did so. The tenth of customers with the highest "
        f"probabilities holds {model.lift_top_decile:.1f} times its share. Measured on "
        f"{model.rows:,} customers of a week that it has not learnt from."
    )


def _verdict(count: int, failed: Sequence[Check], evidence: Evidence) -> str:
    if failed:
        return (
            f"No: {len(failed)} of {count} checks failed. It cannot be promoted; what to worry "
            "about says why."
        )
    if evidence.changes is None:
        return f"Yes: it passed all {count} checks, and there is no champion of its name to beat."
    changes = evidence.changes
    if changes.gained is None:
        return (
            f"Not yet: it passed all {count} checks, but cannot be compared with the champion "
            f"{changes.former}: {changes.not_compared}."
        )
    better = "is lower by more than chance" if changes.gained.at_least > 0.0 else "is not better"
    return (
        f"It passed all {count} checks. Against the champion {changes.former}, on the same "
        f"customers, its log loss {better} ({changes.metrics.log_loss:.4f} against "
        f"{(changes.former_metrics or changes.metrics).log_loss:.4f}); the rule of promotion "
        "decides."
    )


def _notes(evidence: Evidence) -> list[str]:
    shifted = [row.feature for row in evidence.drift if row.reading == "shifted"]
    found = []
    if shifted:
        more = f" and {len(shifted) - 3} more" if len(shifted) > 3 else ""
        found.append(
            f"{len(shifted)} of {len(evidence.drift)} features are of another distribution than in "
            f"the weeks it was fitted on: {', '.join(shifted[:3])}{more}."
        )
    slope, intercept = evidence.calibration.slope, evidence.calibration.intercept
    if (slope, intercept) != (1.0, 0.0):
        found.append(
            f"Its log-odds were off on the validation weeks and are corrected: slope {slope:.2f}, "
            f"intercept {intercept:+.2f}."
        )
    if not any(part.sensitive for part in evidence.slices):
        found.append(
            "No sensitive attribute is declared (FOOTFALL_SENSITIVE_TRAITS), so none was looked at."
        )
    few = told(evidence.slices)
    return [*found, few] if few else found
