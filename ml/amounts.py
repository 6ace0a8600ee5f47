"""How good are predicted amounts: their size, their order, and their sum.

Most customers of a window bring in nothing and a few bring in much, so the loss is the deviance of
a Tweedie law, which has both: Jørgensen, "The theory of dispersion models" (1997). What is in money
is in the shop's currency.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import (
    d2_tweedie_score,
    mean_absolute_error,
    mean_tweedie_deviance,
    root_mean_squared_error,
)

from ml.errors import TooFewRows
from ml.evaluate import (
    MINIMUM_OF_A_CLASS,
    MINIMUM_ROWS,
    equal_count_bins,
    expected_calibration_error,
    lift,
)
from ml.train import TWEEDIE_POWER

LEAST = 0.01  # of a predicted amount: the deviance of nothing is infinite


@dataclass(frozen=True)
class AmountMetrics:
    """One model on one sample.

    Attributes:
        rows: customers.
        paying: of them, those who brought in anything.
        mean_observed: money that came in, of each.
        mean_predicted: money that was predicted.
        bias: total predicted over total observed.
        mae: mean absolute error, money.
        rmse: root of the mean squared error, money.
        gini: the Gini of revenue in the order of the predictions, over that in its own order.
        spearman: rank correlation; 0 where all predictions are the same.
        deviance: mean Tweedie deviance, power 1.5.
        d2: share of the deviance of the rows' own mean that is explained.
        decile_error: mean gap between predicted and observed in ten bins, over the mean observed.
        lift_top_decile: revenue of the tenth with the highest predictions, over a tenth of all.
    """

    rows: int
    paying: int
    mean_observed: float
    mean_predicted: float
    bias: float
    mae: float
    rmse: float
    gini: float
    spearman: float
    deviance: float
    d2: float
    decile_error: float
    lift_top_decile: float

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


def evaluate_amounts(labels: NDArray[np.float64], amounts: NDArray[np.float64]) -> AmountMetrics:
    """Measure predicted amounts against what came in.

    Args:
        labels: float[n] from 0.0 on. No NaN.
        amounts: float[n] from 0.0 on. No NaN.

    Raises:
        TooFewRows: fewer than 100 rows, or fewer than 10 with an amount.
    """
    rows, paying = len(labels), int((labels > 0.0).sum())
    if rows < MINIMUM_ROWS or paying < MINIMUM_OF_A_CLASS:
        raise TooFewRows(
            f"{rows} rows, {paying} of them with an amount, say nothing: at least {MINIMUM_ROWS} "
            f"rows and {MINIMUM_OF_A_CLASS} with an amount are needed; collect more orders"
        )
    mean, sure = float(labels.mean()), np.maximum(amounts, LEAST)
    is_constant = np.ptp(amounts) == 0.0
    return AmountMetrics(
        rows=rows,
        paying=paying,
        mean_observed=mean,
        mean_predicted=float(amounts.mean()),
        bias=float(amounts.mean() / mean),
        mae=float(mean_absolute_error(labels, amounts)),
        rmse=float(root_mean_squared_error(labels, amounts)),
        gini=gini(labels, amounts),
        spearman=0.0 if is_constant else float(spearmanr(labels, amounts).statistic),
        deviance=float(mean_tweedie_deviance(labels, sure, power=TWEEDIE_POWER)),
        d2=float(d2_tweedie_score(labels, sure, power=TWEEDIE_POWER)),
        decile_error=expected_calibration_error(equal_count_bins(labels, amounts)) / mean,
        lift_top_decile=lift(labels, amounts, share=0.1),
    )


def gini(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the normalised Gini: 1 = the order of the amounts themselves, 0 = no order.

    The covariance of amounts and ranks, as Lerman and Yitzhaki, "A note on the calculation and
    interpretation of the Gini index" (1984), have it; rows that tie share their mean rank.

    >>> gini(np.array([0.0, 0.0, 1.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    1.0
    >>> gini(np.array([0.0, 0.0, 1.0, 3.0]), np.ones(4))
    0.0
    """
    off = labels - labels.mean()
    found = np.dot(off, rankdata(scores)) / np.dot(off, rankdata(labels))
    return round(float(found), 12) + 0.0  # no -0.0 of ties


def gini_error(labels: NDArray[np.float64]) -> float:
    """Return the standard error of the Gini of scores that know nothing of these labels.

    Ranks in a random order have the variance (n + 1) / 12 times the sum of squares.

    >>> round(gini_error(np.arange(100.0)), 3)
    0.101
    """
    off, rows = labels - labels.mean(), len(labels)
    spread = np.sqrt(rows * (rows + 1.0) / 12.0 * np.dot(off, off))
    return float(spread / np.dot(off, rankdata(labels)))


def deviances(labels: NDArray[np.float64], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float[n], each row's Tweedie deviance: their mean is that of the metrics.

    >>> labels, amounts = np.array([0.0, 4.0]), np.array([1.0, 1.0])
    >>> float(deviances(labels, amounts).mean())
    4.0
    """
    root = np.sqrt(np.maximum(amounts, LEAST))
    return np.asarray(4.0 * (np.sqrt(labels) - root) ** 2 / root)  # of power 1.5
