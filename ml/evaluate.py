"""How good are probabilities: ranking, calibration, and gain over knowing nothing.

A log loss means nothing alone (a coin flip has 0.693): each comes with that of the base rate.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from ml.errors import TooFewRows

MINIMUM_ROWS = 100
MINIMUM_OF_A_CLASS = 10
BINS = 10
LEAK_AUC = 0.93  # customers are not that predictable: a feature knows the answer


@dataclass(frozen=True)
class Metrics:
    """One model on one sample. Log losses in nats, the rest in [0, 1] except lift."""

    rows: int
    positives: int
    base_rate: float
    auc: float
    average_precision: float
    log_loss: float
    base_rate_log_loss: float
    brier: float
    ece_equal_count: float
    ece_equal_width: float
    lift_top_decile: float

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram."""

    rows: int
    predicted: float
    observed: float


def evaluate(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Metrics:
    """Measure probabilities against what happened.

    Args:
        labels: float[n] of 0.0 and 1.0. No NaN.
        probabilities: float[n] in [0, 1]. No NaN.

    Raises:
        TooFewRows: fewer than 100 rows, or fewer than 10 of a class.
    """
    _check_size(labels)
    base = float(labels.mean())
    return Metrics(
        rows=len(labels),
        positives=int(labels.sum()),
        base_rate=base,
        auc=float(roc_auc_score(labels, probabilities)),
        average_precision=float(average_precision_score(labels, probabilities)),
        log_loss=float(log_loss(labels, probabilities)),
        base_rate_log_loss=float(log_loss(labels, np.full(len(labels), base))),
        brier=float(np.mean((probabilities - labels) ** 2)),
        ece_equal_count=expected_calibration_error(equal_count_bins(labels, probabilities)),
        ece_equal_width=expected_calibration_error(equal_width_bins(labels, probabilities)),
        lift_top_decile=lift(labels, probabilities, share=0.1),
    )


def _check_size(labels: NDArray[np.float64]) -> None:
    rows, positives = len(labels), int(labels.sum())
    few, rarer = min((positives, "positives"), (rows - positives, "negatives"))
    if rows < MINIMUM_ROWS or few < MINIMUM_OF_A_CLASS:
        raise TooFewRows(
            f"{rows} rows, {few} of them {rarer}, say nothing: at least {MINIMUM_ROWS} rows and "
            f"{MINIMUM_OF_A_CLASS} of each class are needed; collect more orders"
        )


def equal_count_bins(
    labels: NDArray[np.float64], probabilities: NDArray[np.float64], *, bins: int = BINS
) -> list[Bin]:
    """Return bins of equally many rows, from the lowest probability to the highest."""
    order = np.argsort(probabilities, kind="stable")
    return [_bin(labels[part], probabilities[part]) for part in np.array_split(order, bins)]


def equal_width_bins(
    labels: NDArray[np.float64], probabilities: NDArray[np.float64], *, bins: int = BINS
) -> list[Bin]:
    """Return bins of equal width in probability, without the empty ones."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        _bin(labels[index == number], probabilities[index == number])
        for number in range(bins)
        if (index == number).any()
    ]


def _bin(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Bin:
    return Bin(len(labels), float(probabilities.mean()), float(labels.mean()))


def expected_calibration_error(bins: list[Bin]) -> float:
    """Return the mean gap between predicted and observed, weighted by rows.

    Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning" (2015).

    >>> expected_calibration_error([Bin(10, 0.2, 0.3), Bin(30, 0.5, 0.5)])
    0.025
    """
    rows = sum(part.rows for part in bins)
    return round(sum(part.rows * abs(part.predicted - part.observed) for part in bins) / rows, 12)


def lift(labels: NDArray[np.float64], probabilities: NDArray[np.float64], *, share: float) -> float:
    """Return the rate of positives among the highest ``share`` of rows, over the base rate.

    Rows that tie at the edge count with their mean, so that a constant has a lift of 1.

    >>> lift(np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]), share=0.25)
    4.0
    >>> lift(np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 0.25), share=0.25)
    1.0
    """
    count = max(1, round(len(labels) * share))
    edge = np.sort(probabilities)[-count]
    above, tied = probabilities > edge, probabilities == edge
    found = labels[above].sum() + (count - above.sum()) * labels[tied].mean()
    return float(found / count / labels.mean())
