"""Group customers by recency, frequency and monetary value: k-means, or DBSCAN.

Values are put on a logarithmic scale and standardised: money and orders are skewed, and a cluster
is about ratios. Clusters are numbered from 1 by mean monetary value, the greatest first, so that
the same customers get the same numbers, whatever order the algorithm finds them in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.errors import TooFewRows, UnknownColumns

Method = Literal["kmeans", "dbscan"]
INPUTS = ("recency_days", "frequency", "monetary")
NOISE = 0  # DBSCAN: in no cluster
MOST_CLUSTERS = 8  # a person can still tell them apart
ROWS_PER_CLUSTER = 10
SILHOUETTE_ROWS = 5_000
STARTS = 10
# DBSCAN: twice the dimensions, and the distance within which nearly all points have so many others.
NEIGHBOURS = 2 * len(INPUTS)
REACHED = 0.95


@dataclass(frozen=True)
class Cluster:
    """One cluster: how many, and their means."""

    number: int
    size: int
    recency_days: float
    frequency: float
    monetary: float


@dataclass(frozen=True)
class Clustering:
    """Who is in which cluster.

    Attributes:
        numbers: int[n], in the order of the frame's rows; 0: in no cluster.
        clusters: by number; of NOISE none.
        silhouette: from -1 to 1, how well clusters are apart (Rousseeuw 1987); None for fewer than
            two clusters.
        params: all that was chosen or found.
    """

    numbers: NDArray[np.int64]
    clusters: tuple[Cluster, ...]
    silhouette: float | None
    params: Mapping[str, Any]


def cluster(
    customers: pd.DataFrame,
    *,
    method: Method = "kmeans",
    clusters: int | None = None,
    seed: int = 0,
) -> Clustering:
    """Group customers.

    Args:
        customers: recency_days (days), frequency (orders), monetary (money; below zero where more
            was given back than paid). No NaN.
        method: k-means, or DBSCAN (Ester et al. 1996), which leaves outliers in no cluster.
        clusters: how many, for k-means; None: from 2 to 8, by the greatest silhouette.
        seed: of the random starts and of the sample that the silhouette is taken of.

    Raises:
        UnknownColumns: a column is missing.
        TooFewRows: fewer than ten customers a cluster, or fewer different ones than clusters.
    """
    if missing := [name for name in INPUTS if name not in customers.columns]:
        raise UnknownColumns(f"the frame has no {missing[0]}")
    points = standardised(customers)
    least = clusters or 2
    different = len(np.unique(points, axis=0))
    if len(points) < least * ROWS_PER_CLUSTER or different < least:
        raise TooFewRows(
            f"{len(points)} customers, {different} different ones: {least} clusters need at least "
            f"{least * ROWS_PER_CLUSTER}"
        )
    if method == "kmeans":
        most = min(MOST_CLUSTERS, len(points) // ROWS_PER_CLUSTER, different)
        chosen = [clusters] if clusters else range(2, most + 1)
        found, params = _kmeans(points, chosen, seed)
    else:
        found, params = _dbscan(points)
    numbers = _numbered(found, customers["monetary"].to_numpy(dtype=np.float64))
    return Clustering(
        numbers=numbers,
        clusters=_described(customers, numbers),
        silhouette=_silhouette(points[numbers != NOISE], numbers[numbers != NOISE], seed),
        params={"method": method, "seed": seed, "inputs": list(INPUTS), **params},
    )


def standardised(customers: pd.DataFrame) -> NDArray[np.float64]:
    """Return the inputs as float[n, 3]: sign(x) · log(1 + |x|), then mean 0 and deviation 1.

    A column that does not vary becomes 0.

    >>> frame = pd.DataFrame({"recency_days": [0, 0], "frequency": [1, 3], "monetary": [-1, 1]})
    >>> standardised(frame).tolist()
    [[0.0, -1.0, -1.0], [0.0, 1.0, 1.0]]
    """
    values = customers[list(INPUTS)].to_numpy(dtype=np.float64)
    logs = np.sign(values) * np.log1p(np.abs(values))
    deviation = logs.std(axis=0)
    centred = logs - logs.mean(axis=0)
    scaled: NDArray[np.float64] = centred / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _kmeans(
    points: NDArray[np.float64], choices: "list[int] | range", seed: int
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    from sklearn.cluster import KMeans

    best: tuple[float, int, NDArray[np.int64]] | None = None
    tried = {}
    for count in choices:
        fitted = KMeans(count, n_init=STARTS, random_state=seed).fit_predict(points)
        score = _silhouette(points, fitted, seed)
        tried[str(count)] = score
        worth = -1.0 if score is None else score
        if best is None or worth > best[0]:
            best = (worth, count, fitted.astype(np.int64))
    assert best is not None
    return best[2], {"clusters": best[1], "silhouettes": tried, "starts": STARTS}


def _dbscan(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], dict[str, Any]]:
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import NearestNeighbors

    # equal points once, weighted: many customers are equal
    unique, where, weights = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    neighbours = min(NEIGHBOURS, len(unique))
    distances, _ = NearestNeighbors(n_neighbors=neighbours).fit(unique).kneighbors(unique)
    radius = float(np.quantile(distances[:, -1], REACHED))
    fitted = DBSCAN(eps=max(radius, np.finfo(np.float64).eps), min_samples=NEIGHBOURS).fit(
        unique, sample_weight=weights
    )
    labels: NDArray[np.int64] = fitted.labels_[where.ravel()].astype(np.int64)
    return labels, {"radius": radius, "neighbours": NEIGHBOURS}


def _numbered(found: NDArray[np.int64], monetary: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the clusters by mean monetary value; of equal ones the larger first."""
    order = sorted(
        (label for label in np.unique(found).tolist() if label >= 0),
        key=lambda label: (
            -float(monetary[found == label].mean()),
            -int((found == label).sum()),
            int(np.argmax(found == label)),
        ),
    )
    numbers = np.full(len(found), NOISE, dtype=np.int64)
    for number, label in enumerate(order, start=1):
        numbers[found == label] = number
    return numbers


def _described(customers: pd.DataFrame, numbers: NDArray[np.int64]) -> tuple[Cluster, ...]:
    means = customers[list(INPUTS)].astype("float64").groupby(numbers).mean()
    sizes = pd.Series(numbers).value_counts()
    return tuple(
        Cluster(
            number=int(number),
            size=int(sizes[number]),
            recency_days=float(means.loc[number, "recency_days"]),
            frequency=float(means.loc[number, "frequency"]),
            monetary=float(means.loc[number, "monetary"]),
        )
        for number in sorted(set(numbers.tolist()) - {NOISE})
    )


def _silhouette(points: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    rows = np.arange(len(points))
    if len(points) > SILHOUETTE_ROWS:
        rows = np.random.default_rng(seed).choice(len(points), SILHOUETTE_ROWS, replace=False)
    kinds = len(np.unique(labels[rows]))
    if not 2 <= kinds < len(rows):
        return None
    return float(silhouette_score(points[rows], labels[rows]))
