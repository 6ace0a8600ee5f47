"""What a model has to beat: the base rate, and a logistic regression on R, F and M."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.features import RFM
from ml.train import Sample

NEVER_DAYS = 365.0  # the recency of somebody who has not ordered


def base_rate(train: Sample, rows: int) -> NDArray[np.float64]:
    """Return float[rows]: the training snapshots' rate of positives for everybody."""
    return np.full(rows, float(train.labels.mean()))


def logistic_rfm(train: Sample, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float[n] probabilities of a logistic regression on log(1 + R, F, M).

    Args:
        train: what to learn from; its names hold the three columns of `ml.features.RFM`.
        values: float64[n, k] in the order of ``train.names``; a missing recency counts as a year.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(_rfm(train.values, train.names), train.labels)
    return np.asarray(model.predict_proba(_rfm(values, train.names))[:, 1])


def _rfm(values: NDArray[np.float64], names: tuple[str, ...]) -> NDArray[np.float64]:
    columns = values[:, [names.index(name) for name in RFM]]
    return np.asarray(np.log1p(np.clip(np.nan_to_num(columns, nan=NEVER_DAYS), 0.0, None)))
