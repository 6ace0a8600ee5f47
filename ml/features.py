"""The features as numbers: the columns of ``analytics.customer_features``, by name and as a matrix.

dbt computes the columns; ``ml.catalogue`` says what each means. Windows are half-open: a feature
at ``as_of`` knows what occurred before it. A missing value (null, NaN) means that the thing does
not exist, such as the last order of somebody who never ordered; counts and sums are then 0.
"""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.catalogue import FEATURES
from ml.errors import UnknownColumns

NAMES = tuple(feature.name for feature in FEATURES)
RFM = ("days_since_last_order", "order_count_90d", "net_revenue_90d")
BY_NAME = {feature.name: feature for feature in FEATURES}


def matrix(frame: pd.DataFrame, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return float64[rows, len(names)] in the order of ``names``; a missing value is NaN.

    Raises:
        UnknownColumns: the frame lacks some of the names.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise UnknownColumns(
            f"the features lack {', '.join(missing)}; the model was trained on another list: "
            "train it again"
        )
    return np.ascontiguousarray(frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan))


def fingerprints(values: NDArray[np.float64], names: tuple[str, ...]) -> list[str]:
    """Return one SHA-256 per row, equal on every machine.

    It covers the names, joined by commas, a line feed, then the values as little-endian float64,
    with one bit pattern for NaN and one for zero.

    Args:
        values: float64[n, len(names)]; NaN = missing.
        names: the columns' names.

    >>> fingerprints(np.array([[0.0], [-0.0]]), ("a",))[0][:8]
    'f72095a1'
    """
    canonical = np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8")
    head = hashlib.sha256((",".join(names) + "\n").encode())
    found = []
    for row in canonical:
        digest = head.copy()
        digest.update(row.tobytes())
        found.append(digest.hexdigest())
    return found
