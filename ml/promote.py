"""When a challenger takes the champion's place: a rule without exceptions.

Both are measured on the challenger's holdout, which neither has learnt from. The challenger must
have the lower log loss by more than chance explains, and may not rank worse by more than what a
holdout of some thousand rows can tell apart.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from ml.evaluate import Metrics

AUC_TOLERANCE = 0.002
CONFIDENCE = 0.95
RESAMPLES = 2_000
RESAMPLES_AT_ONCE = 20  # each is as long as the holdout
SEED = 20170101
LEAST = 1e-15  # of a probability, as scikit-learn's log_loss has it for float64


@dataclass(frozen=True)
class Gain:
    """By how much the challenger's log loss is lower, in nats per row.

    Attributes:
        mean: over the rows; negative if it is higher.
        at_least: with 95 % confidence, by resampling the rows.
    """

    mean: float
    at_least: float

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why, in one line."""

    promoted: bool
    reason: str


def gain(
    labels: NDArray[np.float64],
    challenger: NDArray[np.float64],
    champion: NDArray[np.float64],
) -> Gain:
    """Compare the two row by row: a paired bootstrap, the same numbers each time.

    Efron, Tibshirani, "An introduction to the bootstrap" (1993), percentile interval.

    Args:
        labels: float[n] of 0.0 and 1.0, a customer each.
        challenger: float[n], its probabilities.
        champion: float[n], of the same rows.
    """
    less = _losses(labels, champion) - _losses(labels, challenger)
    if np.ptp(less) == 0.0:
        return Gain(float(less[0]), float(less[0]))
    found = bootstrap(
        (less,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        confidence_level=CONFIDENCE,
        alternative="greater",
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    return Gain(float(less.mean()), float(found.confidence_interval.low))


def decide(challenger: Metrics, champion: Metrics | None, gained: Gain | None = None) -> Decision:
    """Compare a challenger with the champion on the same rows.

    Args:
        challenger: its metrics on its own holdout.
        champion: the champion's metrics on those same rows; None = there is none yet.
        gained: what `gain` says of the two; needed where there is a champion.
    """
    if champion is None or gained is None:
        return Decision(True, "the first model of its name")
    rows = f"on the same {challenger.rows} rows"
    losses = f"log loss {challenger.log_loss:.4f}"
    if gained.mean <= 0.0:
        return Decision(
            False, f"{losses} is not below the champion's {champion.log_loss:.4f} {rows}"
        )
    if gained.at_least <= 0.0:
        return Decision(
            False,
            f"{losses} is below the champion's {champion.log_loss:.4f} {rows} by no more than "
            f"chance: with 95 % confidence the gain is at least {gained.at_least:.4f}",
        )
    if challenger.auc < champion.auc - AUC_TOLERANCE:
        return Decision(
            False, f"AUC {challenger.auc:.4f} is below the champion's {champion.auc:.4f} {rows}"
        )
    return Decision(
        True,
        f"{losses} against the champion's {champion.log_loss:.4f} {rows}, lower by at least "
        f"{gained.at_least:.4f} with 95 % confidence",
    )


def _losses(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    sure = np.clip(probabilities, LEAST, 1.0 - LEAST)
    return np.asarray(-(labels * np.log(sure) + (1.0 - labels) * np.log1p(-sure)))
