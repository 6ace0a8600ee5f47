"""Probabilities, and where they stand among all."""

import numpy as np
from numpy.typing import NDArray


def percentiles(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float[n] in (0, 100): the share of customers with a lower score, ties counted half.

    Args:
        probabilities: float[n]. No NaN.

    >>> percentiles(np.array([0.1, 0.3, 0.3, 0.9])).tolist()
    [12.5, 50.0, 50.0, 87.5]
    """
    ordered = np.sort(probabilities)
    below = np.searchsorted(ordered, probabilities, side="left")
    up_to = np.searchsorted(ordered, probabilities, side="right")
    return np.asarray(100.0 * (below + up_to) / 2.0 / max(len(probabilities), 1))
