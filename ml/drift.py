"""How far a feature has moved since the model learnt it.

Missing values are a matter of their own: `drift` compares their shares and measures the rest.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.errors import TooFewRows

BINS = 10
MINIMUM_ROWS = 50
FLOOR = 1e-4  # an empty bin's share, so that its logarithm exists
MOVED = 0.1  # the usual reading of a PSI: below 0.1 steady, above 0.25 another population
SHIFTED = 0.25


@dataclass(frozen=True)
class Drift:
    """One feature, then and now. psi and ks are None where too few values are present."""

    feature: str
    psi: float | None
    ks: float | None
    missing_then: float
    missing_now: float

    @property
    def reading(self) -> str:
        """The verdict in a word."""
        if self.psi is None:
            return "too few values"
        return "steady" if self.psi < MOVED else "moved" if self.psi < SHIFTED else "shifted"


def psi(reference: NDArray[np.float64], current: NDArray[np.float64], *, bins: int = BINS) -> float:
    """Return the population stability index of two samples of one feature.

    Bins are the reference's quantiles, equal ones merged; an empty bin counts as a share of 1e-4.

    Args:
        reference: float[n], the feature when the model was trained. No NaN.
        current: float[m], the same feature now. No NaN.
        bins: how many quantiles.

    Returns:
        0.0 for equal distributions, growing without bound; in nats.

    Raises:
        TooFewRows: either sample has fewer than ``bins`` rows.

    >>> psi(np.arange(100.0), np.arange(100.0))
    0.0
    >>> psi(np.arange(100.0), np.arange(50.0, 150.0)) > SHIFTED
    True
    """
    if min(len(reference), len(current)) < bins:
        raise TooFewRows(f"{len(reference)} and {len(current)} values are too few for {bins} bins")
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)))[1:-1]
    then = _shares(reference, edges)
    now = _shares(current, edges)
    return float(np.sum((now - then) * np.log(now / then)))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return np.asarray(np.maximum(counts / len(values), FLOOR))


def ks(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    """Return the Kolmogorov-Smirnov distance: the largest gap between the two distributions.

    Args:
        reference: float[n]. No NaN.
        current: float[m]. No NaN.

    Returns:
        Between 0.0 (equal) and 1.0 (apart).

    >>> ks(np.arange(4.0), np.arange(4.0)), ks(np.arange(4.0), np.arange(4.0) + 10)
    (0.0, 1.0)
    """
    if not len(reference) or not len(current):
        raise TooFewRows("an empty sample has no distribution")
    points = np.concatenate([reference, current])
    then = np.searchsorted(np.sort(reference), points, side="right") / len(reference)
    now = np.searchsorted(np.sort(current), points, side="right") / len(current)
    return float(np.abs(then - now).max())


def drift(reference: pd.DataFrame, current: pd.DataFrame) -> list[Drift]:
    """Compare every column of two frames, the most moved first.

    Raises:
        TooFewRows: either frame has fewer than 50 rows.
    """
    if min(len(reference), len(current)) < MINIMUM_ROWS:
        raise TooFewRows(
            f"{len(reference)} and {len(current)} rows are too few to compare "
            f"(at least {MINIMUM_ROWS} are needed)"
        )
    rows = [_drift(str(name), reference[name], current[name]) for name in reference.columns]
    return sorted(rows, key=lambda row: (-(row.psi or 0.0), row.feature))


def _drift(name: str, reference: "pd.Series[float]", current: "pd.Series[float]") -> Drift:
    then = np.asarray(reference.dropna(), dtype=np.float64)
    now = np.asarray(current.dropna(), dtype=np.float64)
    enough = min(len(then), len(now)) >= MINIMUM_ROWS
    return Drift(
        feature=name,
        psi=psi(then, now) if enough else None,
        ks=ks(then, now) if enough else None,
        missing_then=float(reference.isna().mean()),
        missing_now=float(current.isna().mean()),
    )
