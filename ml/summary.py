"""A model in plain words, for who has to decide about it: report and card begin with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.checks import Check
from ml.evidence import Evidence
from ml.promote import LOG_LOSS, Metrics, Yardstick
from ml.slices import told


@dataclass(frozen=True)
class Summary:
    """The answers to four questions, in sentences.

    Attributes:
        predicts: what a probability of 1 means, or the amount, of whom.
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
        predicts=f"{evidence.kind.predicts(evidence.label)}, for {evidence.label.population}.",
        quality=evidence.kind.quality({name: own.as_dict() for name, own in metrics.items()}),
        verdict=_verdict(len(evidence.checks), failed, evidence),
        promotable=not failed,
        worries=findings(metrics, evidence.checks, by=evidence.kind.yardstick),
        notes=_notes(evidence),
    )


def findings(
    metrics: Mapping[str, Metrics], checks: Sequence[Check], *, by: Yardstick = LOG_LOSS
) -> list[str]:
    """Return what a reader should worry about, in sentences; empty = nothing."""
    losses = {name: own.as_dict()[by.loss] for name, own in metrics.items()}
    failed = [check.detail for check in checks if not check.passed]
    beaten = [
        f"the {by.loss_words} is not better than that of the baseline “{name}”"
        for name, loss in losses.items()
        if name != "model" and losses["model"] >= loss
    ]
    return [f"{told[:1].upper()}{told[1:]}." for told in (*failed, *beaten)]


def _verdict(count: int, failed: Sequence[Check], evidence: Evidence) -> str:
    if failed:
        return (
            f"No: {len(failed)} of {count} checks failed. It cannot be promoted; what to worry "
            "about says why."
        )
    if evidence.changes is None:
        return f"Yes: it passed all {count} checks, and there is no champion of its name to beat."
    changes, by = evidence.changes, evidence.kind.yardstick
    if changes.gained is None:
        return (
            f"Not yet: it passed all {count} checks, but cannot be compared with the champion "
            f"{changes.former}: {changes.not_compared}."
        )
    ours, theirs = (
        own.as_dict()[by.loss]
        for own in (changes.metrics, changes.former_metrics or changes.metrics)
    )
    better = "is lower by more than chance" if changes.gained.at_least > 0.0 else "is not better"
    return (
        f"It passed all {count} checks. Against the champion {changes.former}, on the same "
        f"customers, its {by.loss_words} {better} ({ours:.4f} against {theirs:.4f}); the rule of "
        "promotion decides."
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
    if evidence.label.kind == "class" and (slope, intercept) != (1.0, 0.0):
        found.append(
            f"Its log-odds were off on the validation weeks and are corrected: slope {slope:.2f}, "
            f"intercept {intercept:+.2f}."
        )
    if evidence.split.by_customers:
        found.append(
            "The history is too short for two gaps as long as the horizon: the number of trees was "
            "found on other customers of the same weeks. The holdout lies behind a gap as always."
        )
    if not any(part.sensitive for part in evidence.slices):
        found.append(
            "No sensitive attribute is declared (FOOTFALL_SENSITIVE_TRAITS), so none was looked at."
        )
    few = told(evidence.slices)
    return [*found, few] if few else found
