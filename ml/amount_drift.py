"""Whether amounts came in as they were predicted: `ml.drift.label_drift`, for money."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ml.amounts import gini
from ml.drift import LEVEL, MINIMUM_ROWS, ODDS_MOVED, ODDS_SHIFTED, Reading
from ml.errors import TooFewRows


@dataclass(frozen=True)
class AmountDrift:
    """What was predicted that customers bring in, and what they did.

    Attributes:
        rows: how many customers.
        predicted: the mean amount.
        observed: the mean of what came in.
        ratio: observed over predicted.
        p_value: of a difference at least so large, if every amount is right on average.
        gini: how well the amounts rank, normalised; None where all brought in the same.
    """

    rows: int
    predicted: float
    observed: float
    ratio: float
    p_value: float
    gini: float | None

    @property
    def reading(self) -> Reading:
        """The verdict in a word: both unlikely by chance, and large."""
        ratio = max(self.ratio, 1.0 / self.ratio) if self.ratio > 0.0 else np.inf
        if self.p_value > LEVEL or ratio < ODDS_MOVED:
            return "steady"
        return "moved" if ratio < ODDS_SHIFTED else "shifted"

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**asdict(self), "reading": self.reading}


def amount_drift(labels: NDArray[np.float64], amounts: NDArray[np.float64]) -> AmountDrift:
    """Compare what came in with what was predicted: the sums, by a t statistic of the errors.

    Args:
        labels: float64[n] from 0.0 on. No NaN.
        amounts: float64[n] above 0.0, made before the labels were known. No NaN.

    Raises:
        TooFewRows: fewer than 50 rows.
    """
    rows, off = len(labels), labels - amounts
    if rows < MINIMUM_ROWS:
        raise TooFewRows(f"{rows} labels are too few to judge by (at least {MINIMUM_ROWS})")
    spread = float(off.std(ddof=1) / np.sqrt(rows))
    return AmountDrift(
        rows=rows,
        predicted=float(amounts.mean()),
        observed=float(labels.mean()),
        ratio=float(labels.mean() / amounts.mean()),
        p_value=float(2.0 * norm.sf(abs(off.mean()) / spread)) if spread else 1.0,
        gini=gini(labels, amounts) if np.ptp(labels) > 0.0 else None,
    )
