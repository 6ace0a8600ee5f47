"""Turn a margin (log-odds) into a probability that means what it says.

Trees grown on the log loss are calibrated for the weeks that they saw, and what four validation
weeks are off by is mostly those weeks' season: so the log-odds are left alone unless they are off
by more than that.

Platt scaling: ``p = 1 / (1 + exp(-(slope * margin + intercept)))``, two numbers, monotone, so that
ranks and reasons stay what they were. Platt, "Probabilistic outputs for support vector machines"
(1999).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.evaluate import equal_count_bins, expected_calibration_error

ACCEPTED_ERROR = 0.05  # expected calibration error on the validation weeks
STEPS = 50
TOLERANCE = 1e-10
PRIOR = 1.0  # strength of the pull towards slope 1, intercept 0, in units of one row's information


@dataclass(frozen=True)
class Calibration:
    """The two numbers of Platt scaling. (1, 0) leaves log-odds as they are."""

    slope: float = 1.0
    intercept: float = 0.0

    def probabilities(self, margins: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return float[n] in (0, 1) for margins float[n] in log-odds. No NaN."""
        logits = self.slope * margins + self.intercept
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def calibrate(margins: NDArray[np.float64], labels: NDArray[np.float64]) -> Calibration:
    """Return (1, 0) if the margins are calibrated within 0.05, else Platt's two numbers.

    Args:
        margins: float[n], log-odds of rows that the model has not seen. No NaN.
        labels: float[n] of 0.0 and 1.0.
    """
    untouched = Calibration()
    bins = equal_count_bins(labels, untouched.probabilities(margins))
    if expected_calibration_error(bins) <= ACCEPTED_ERROR:
        return untouched
    return fit_calibration(margins, labels)


def fit_calibration(margins: NDArray[np.float64], labels: NDArray[np.float64]) -> Calibration:
    """Fit slope and intercept by Newton's method on the log loss, with a weak prior at (1, 0).

    Args:
        margins: float[n], log-odds of rows that the model has not seen. No NaN.
        labels: float[n] of 0.0 and 1.0.

    Returns:
        The calibration; slope is positive in all but absurd cases, and (1, 0) when the margins are
        right.
    """
    design = np.column_stack([margins, np.ones_like(margins)])
    start = np.array([1.0, 0.0])
    weights = start.copy()
    for _ in range(STEPS):
        p = Calibration(*weights.tolist()).probabilities(margins)
        gradient = design.T @ (p - labels) + PRIOR * (weights - start)
        hessian = (design * (p * (1.0 - p))[:, None]).T @ design + PRIOR * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if float(np.abs(step).max()) < TOLERANCE:
            break
    return Calibration(slope=float(weights[0]), intercept=float(weights[1]))
