"""When a challenger takes the champion's place: a rule without exceptions.

Both are measured on the challenger's holdout, which neither has learnt from. The challenger must
have the lower log loss, and may not rank worse by more than what a holdout of some thousand rows
can tell apart.
"""

from dataclasses import dataclass

from ml.evaluate import Metrics

AUC_TOLERANCE = 0.002


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why, in one line."""

    promoted: bool
    reason: str


def decide(challenger: Metrics, champion: Metrics | None) -> Decision:
    """Compare a challenger with the champion on the same rows.

    Args:
        challenger: its metrics on its own holdout.
        champion: the champion's metrics on those same rows; None = there is none yet.
    """
    if champion is None:
        return Decision(True, "the first model of its name")
    rows = f"on the same {challenger.rows} rows"
    if challenger.log_loss >= champion.log_loss:
        return Decision(
            False,
            f"log loss {challenger.log_loss:.4f} is not below the champion's "
            f"{champion.log_loss:.4f} {rows}",
        )
    if challenger.auc < champion.auc - AUC_TOLERANCE:
        return Decision(
            False, f"AUC {challenger.auc:.4f} is below the champion's {champion.auc:.4f} {rows}"
        )
    return Decision(
        True,
        f"log loss {challenger.log_loss:.4f} against the champion's {champion.log_loss:.4f} {rows}",
    )
