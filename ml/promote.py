"""When a challenger takes the champion's place: a rule without exceptions.

Both are measured on the challenger's holdout, which neither has learnt from. The challenger must
have the lower loss by more than chance explains, and may not rank worse by more than what a holdout
of some thousand rows can tell apart.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

AUC_TOLERANCE = 0.002
CONFIDENCE = 0.95
RESAMPLES = 2_000
RESAMPLES_AT_ONCE = 20  # each is as long as the holdout
SEED = 20170101
LEAST = 1e-15  # of a probability, as scikit-learn's log_loss has it for float64


Losses = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Yardstick:
    """What two models of a name are compared by.

    Attributes:
        losses: float[n], each row's loss, of labels and predictions.
        loss: the metric that is their mean; lower is better.
        loss_words: what it is called.
        ranking: the metric of ranking; higher is better.
        ranking_words: what it is called.
        tolerance: by so much it may be lower.
    """

    losses: Losses
    loss: str
    loss_words: str
    ranking: str
    ranking_words: str
    tolerance: float


@dataclass(frozen=True)
class Gain:
    """By how much the challenger's loss is lower, per row: the log loss, in nats.

    Attributes:
        mean: over the rows; negative if it is higher.
        at_least: with 95 % confidence, by resampling the rows.
    """

    mean: float
    at_least: float

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


class Metrics(Protocol):
    """What is measured of a model on a sample, as of either kind of label."""

    @property
    def rows(self) -> int:
        """How many rows."""

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why, in one line."""

    promoted: bool
    reason: str


def gain(
    labels: NDArray[np.float64],
    challenger: NDArray[np.float64],
    champion: NDArray[np.float64],
    *,
    losses: Losses | None = None,
) -> Gain:
    """Compare the two row by row: a paired bootstrap, the same numbers each time.

    Efron, Tibshirani, "An introduction to the bootstrap" (1993), percentile interval.

    Args:
        labels: float[n], a customer each.
        challenger: float[n], its predictions.
        champion: float[n], of the same rows.
        losses: each row's loss; default: the log loss of probabilities.
    """
    of = losses or log_losses
    less = of(labels, champion) - of(labels, challenger)
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


def log_losses(
    labels: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float[n], the log loss of each probability, in nats; labels are 0.0 or 1.0."""
    sure = np.clip(probabilities, LEAST, 1.0 - LEAST)
    return np.asarray(-(labels * np.log(sure) + (1.0 - labels) * np.log1p(-sure)))


LOG_LOSS = Yardstick(log_losses, "log_loss", "log loss", "auc", "AUC", AUC_TOLERANCE)


def decide(
    challenger: Metrics,
    champion: Metrics | None,
    gained: Gain | None = None,
    *,
    by: Yardstick = LOG_LOSS,
) -> Decision:
    """Compare a challenger with the champion on the same rows.

    Args:
        challenger: its metrics on its own holdout.
        champion: the champion's metrics on those same rows; None = there is none yet.
        gained: what `gain` says of the two; needed where there is a champion.
        by: what they are compared by.
    """
    if champion is None or gained is None:
        return Decision(True, "the first model of its name")
    rows = f"on the same {challenger.rows} rows"
    ours, theirs = challenger.as_dict(), champion.as_dict()
    losses = f"{by.loss_words} {ours[by.loss]:.4f}"
    if gained.mean <= 0.0:
        return Decision(False, f"{losses} is not below the champion's {theirs[by.loss]:.4f} {rows}")
    if gained.at_least <= 0.0:
        return Decision(
            False,
            f"{losses} is below the champion's {theirs[by.loss]:.4f} {rows} by no more than "
            f"chance: with 95 % confidence the gain is at least {gained.at_least:.4f}",
        )
    if ours[by.ranking] < theirs[by.ranking] - by.tolerance:
        return Decision(
            False,
            f"{by.ranking_words} {ours[by.ranking]:.4f} is below the champion's "
            f"{theirs[by.ranking]:.4f} {rows}",
        )
    return Decision(
        True,
        f"{losses} against the champion's {theirs[by.loss]:.4f} {rows}, lower by at least "
        f"{gained.at_least:.4f} with 95 % confidence",
    )
