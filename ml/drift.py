"""How far features and scores have moved since the model learnt them, and whether it still fits.

A model keeps its `Reference`: of each feature, and of its own probability, at most 99 edges and
how many rows lay below, on and between them. That is enough for both measures, holds no row, and
what is scored later is counted into the same cells, chunk by chunk. A missing value is a value of
its own, below all others, as it is to the trees.

Many customers make any difference significant, few make none: a feature has moved when chance
does not explain it *and* it is large. The p-values are adjusted for all that is looked at
(Benjamini and Hochberg, "Controlling the false discovery rate", 1995): where nothing moved, a
comparison raises any alarm with a probability of at most `LEVEL`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, kstwo, norm
from sklearn.metrics import roc_auc_score

from ml.errors import TooFewRows

PERCENTS = np.arange(1, 100) / 100
BINS = 10
MINIMUM_ROWS = 50
FLOOR = 1e-4  # an empty bin's share, so that its logarithm exists
LEVEL = 0.01  # of a false alarm, over all that one comparison looks at
MOVED = 0.1  # the usual reading of a PSI: below 0.1 steady, above 0.25 another population
SHIFTED = 0.25
ODDS_MOVED = 1.25  # what happened against what was predicted, as a ratio of odds, either way
ODDS_SHIFTED = 1.5
WEIGHTY = 0.25  # of what a model rests on: if so much of it has shifted, the model has
PROBABILITY = "probability"  # the score's own name among the features, an amount's too

Reading = Literal["steady", "moved", "shifted"]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Distribution:
    """One feature, as it was.

    Attributes:
        edges: float64[k], ascending: the percentiles that differ. At most 99.
        counts: int64[2k + 2], rows: missing, below the first edge, on it, between it and the next,
            and so on, beyond the last.
    """

    edges: NDArray[np.float64]
    counts: Counts

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Distribution":
        """Return the distribution of float64[n]; NaN = missing."""
        present = values[~np.isnan(values)]
        edges = present  # where all are missing, none
        if len(present):
            edges = np.unique(np.quantile(present, PERCENTS, method="inverted_cdf"))
        return cls(edges, cell_counts(values, edges))


@dataclass(frozen=True)
class Reference:
    """What a model learnt from, as distributions.

    Attributes:
        customers: how many rows count as independent: those of all snapshots are the same customers
            again and again.
        distributions: by feature; of `PROBABILITY`, what the model gave to whom it had not seen.
        importance: by feature, its share of what the model rests on; sums to 1.
    """

    customers: int
    distributions: Mapping[str, Distribution]
    importance: Mapping[str, float]

    def counts(self, name: str, values: NDArray[np.float64]) -> Counts:
        """Count values of a feature into the cells of the reference; counts of parts add up."""
        return cell_counts(values, self.distributions[name].edges)

    def as_dict(self) -> dict[str, Any]:
        """Return it with JSON's types only."""
        return {
            "customers": self.customers,
            "importance": dict(self.importance),
            "distributions": {
                name: {"edges": known.edges.tolist(), "counts": known.counts.tolist()}
                for name, known in self.distributions.items()
            },
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Reference":
        """Return what `as_dict` wrote."""
        distributions = {
            name: Distribution(np.array(known["edges"]), np.array(known["counts"], dtype=np.int64))
            for name, known in stored["distributions"].items()
        }
        return cls(stored["customers"], distributions, stored["importance"])


def reference(
    values: NDArray[np.float64],
    names: Sequence[str],
    *,
    snapshots: int,
    predictions: NDArray[np.float64],
    shap_values: NDArray[np.float64],
) -> Reference:
    """Return what to remember of the rows that a model was fitted on.

    Args:
        values: float64[n, len(names)], of all snapshots; NaN = missing.
        names: the features.
        snapshots: how many as_ofs the rows are of. However alike one customer's rows are, all are
            worth at least n / snapshots independent ones: (sum of rows)^2 / (sum of squares) of
            the customers' numbers of rows (Kish, "Survey Sampling", 1965) is never less.
        predictions: float64[m], of snapshots that the model has not learnt from.
        shap_values: float64[m, len(names)], of the same rows.
    """
    strength = np.abs(shap_values).mean(axis=0)
    shares = strength / (strength.sum() or 1.0)
    known = {name: Distribution.of(column) for name, column in zip(names, values.T, strict=True)}
    return Reference(
        customers=len(values) // snapshots,
        distributions={**known, PROBABILITY: Distribution.of(predictions)},
        importance=dict(zip(names, shares.tolist(), strict=True)),
    )


@dataclass(frozen=True)
class Drift:
    """One feature, then and now; ``p_value`` is adjusted for all that were compared with it."""

    feature: str
    psi: float
    ks: float
    p_value: float
    missing_then: float
    missing_now: float

    @property
    def reading(self) -> Reading:
        """The verdict in a word: both unlikely by chance, and large."""
        if self.p_value > LEVEL or self.psi < MOVED:
            return "steady"
        return "moved" if self.psi < SHIFTED else "shifted"

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**asdict(self), "reading": self.reading}


def cell_counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Counts:
    """Count float64[n] (NaN = missing) into the cells of `Distribution.counts`.

    >>> cell_counts(np.array([np.nan, 1.0, 2.0, 2.0, 9.0]), np.array([2.0])).tolist()
    [1, 1, 2, 1]
    """
    present = values[~np.isnan(values)]
    cells = np.searchsorted(edges, present, "left") + np.searchsorted(edges, present, "right")
    counts = np.bincount(cells + 1, minlength=2 * len(edges) + 2)
    counts[0] = len(values) - len(present)
    return np.asarray(counts, dtype=np.int64)


def psi(then: Counts, now: Counts, *, bins: int = BINS) -> float:
    """Return the population stability index of two counts over the same cells.

    Bins are the reference's quantiles, to the cell, and the missing values; an empty bin counts as
    a share of 1e-4.

    Args:
        then: int64[c], the reference, at least one row.
        now: int64[c], at least one row.
        bins: how many quantiles.

    Returns:
        0.0 for equal distributions, growing without bound; in nats.

    >>> counts = np.array([0, 10, 20, 30])
    >>> psi(counts, 2 * counts), psi(counts, counts[::-1]) > SHIFTED
    (0.0, True)
    """
    middles = (np.cumsum(then) - then / 2) / then.sum()
    bin_of = np.minimum((middles * bins).astype(np.int64), bins - 1) + 1
    bin_of[0] = 0
    before, after = (
        np.maximum(np.bincount(bin_of, counts, bins + 1) / counts.sum(), FLOOR)
        for counts in (then, now)
    )
    return float(np.sum((after - before) * np.log(after / before)))


def ks(then: Counts, now: Counts) -> float:
    """Return the Kolmogorov-Smirnov distance of two counts over the same cells.

    Between two edges lies less than 1 % of the reference: the distance of the samples themselves is
    never smaller, and larger by less than 0.01. Where a feature has no other values than the edges
    it is the same.

    Args:
        then: int64[c], the reference, at least one row.
        now: int64[c], at least one row.

    Returns:
        Between 0.0 (equal) and 1.0 (apart).

    >>> ks(np.array([0, 4, 0]), np.array([0, 4, 0])), ks(np.array([0, 4, 0]), np.array([0, 0, 2]))
    (0.0, 1.0)
    """
    return float(np.abs(np.cumsum(then) / then.sum() - np.cumsum(now) / now.sum()).max())


def ks_p_value(distance: float, rows_then: int, rows_now: int) -> float:
    """Return the probability of a distance at least so large where nothing moved.

    Asymptotic, as scipy.stats.ks_2samp has it; too large, never too small, where values tie or the
    distance was taken at fewer points.
    """
    return float(kstwo.sf(distance, round(rows_then * rows_now / (rows_then + rows_now))))


def compare(known: Reference, counts: Mapping[str, Counts]) -> list[Drift]:
    """Compare features, and the score if it is counted, with the reference; the most moved first.

    Args:
        known: what the model learnt from.
        counts: by name, of `Reference.counts`; one row per customer.

    Raises:
        TooFewRows: fewer than 50 rows, then or now.
    """
    found = []
    for name, now in counts.items():
        then = known.distributions[name].counts
        rows_then, rows_now = min(known.customers, int(then.sum())), int(now.sum())
        if min(rows_then, rows_now) < MINIMUM_ROWS:
            raise TooFewRows(
                f"{rows_then} and {rows_now} rows are too few to compare {name} "
                f"(at least {MINIMUM_ROWS} are needed)"
            )
        distance = ks(then, now)
        found.append(
            Drift(
                feature=name,
                psi=psi(then, now),
                ks=distance,
                p_value=ks_p_value(distance, rows_then, rows_now),
                missing_then=float(then[0] / then.sum()),
                missing_now=float(now[0] / now.sum()),
            )
        )
    adjusted = false_discovery_control([row.p_value for row in found]) if found else []
    found = [replace(row, p_value=float(p)) for row, p in zip(found, adjusted, strict=True)]
    return sorted(found, key=lambda row: (-row.psi, row.feature))


@dataclass(frozen=True)
class LabelDrift:
    """What was predicted of customers, and what they did.

    Attributes:
        rows: how many customers.
        predicted: the mean probability.
        observed: the share of whom it came true.
        odds_ratio: the odds observed over those predicted.
        p_value: of a difference at least so large, if every probability is right.
        auc: how well the probabilities rank; None where all did the same.
    """

    rows: int
    predicted: float
    observed: float
    odds_ratio: float
    p_value: float
    auc: float | None

    @property
    def reading(self) -> Reading:
        """The verdict in a word: both unlikely by chance, and large."""
        ratio = max(self.odds_ratio, 1.0 / self.odds_ratio)
        if self.p_value > LEVEL or ratio < ODDS_MOVED:
            return "steady"
        return "moved" if ratio < ODDS_SHIFTED else "shifted"

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {**asdict(self), "reading": self.reading}


class Outcome(Protocol):
    """What was predicted and what happened, of classes or amounts."""

    @property
    def reading(self) -> Reading:
        """The verdict in a word."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""


def label_drift(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> LabelDrift:
    """Compare what happened with what was predicted: calibration in the large.

    The sum of labels has the mean and the variance of independent coins with these probabilities.

    Args:
        labels: float64[n] of 0.0 and 1.0. No NaN.
        probabilities: float64[n] in (0, 1), made before the labels were known. No NaN.

    Raises:
        TooFewRows: fewer than 50 rows.
    """
    rows = len(labels)
    if rows < MINIMUM_ROWS:
        raise TooFewRows(f"{rows} labels are too few to judge by (at least {MINIMUM_ROWS})")
    happened, expected = float(labels.sum()), float(probabilities.sum())
    spread = float(np.sqrt((probabilities * (1.0 - probabilities)).sum()))
    return LabelDrift(
        rows=rows,
        predicted=expected / rows,
        observed=happened / rows,
        odds_ratio=_odds(happened, rows) / _odds(expected, rows),
        p_value=float(2.0 * norm.sf(abs(happened - expected) / spread)),
        auc=float(roc_auc_score(labels, probabilities)) if 0 < happened < rows else None,
    )


def _odds(count: float, rows: int) -> float:
    return (count + 0.5) / (rows - count + 0.5)  # a half each way: never 0, never infinite


def model_reading(known: Reference, compared: Sequence[Drift], label: Outcome | None) -> Reading:
    """Return the verdict on a model.

    It has shifted where its score or its labels have, or features that are a quarter of what it
    rests on. Single features shift in every healthy shop: a holiday, a longer history.

    Args:
        known: what the model learnt from.
        compared: its features, and its score where there is one.
        label: its predictions against what happened; None while that is not known.
    """
    whole = [row.reading for row in compared if row.feature == PROBABILITY]
    whole += [label.reading] if label else []
    weight = sum(
        known.importance[row.feature]
        for row in compared
        if row.feature != PROBABILITY and row.reading == "shifted"
    )
    if "shifted" in whole or weight >= WEIGHTY:
        return "shifted"
    all_steady = {*whole, *(row.reading for row in compared)} <= {"steady"}
    return "steady" if all_steady else "moved"
