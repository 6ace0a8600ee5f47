"""Parts of the holdout, and whether the model serves each as well as the rest.

A part differs from the rest for two reasons that are no fault: its customers are more alike, so
that nobody could rank them as well, and chance. So ranking is held against what the model's own
probabilities promise for that part, and what chance alone does to so many rows is in each limit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from ml.catalogue import SEGMENT, SLICE_FEATURES, TRAIT
from ml.errors import TooFewRows, TraitLearnt
from ml.evaluate import MINIMUM_OF_A_CLASS, MINIMUM_ROWS, Metrics, evaluate
from ml.train import Sample

CALIBRATION_GAP = 0.05  # of probability: as far as a part's mean error may be from the rest's
RANKING_GAP = 0.05  # of AUC: as far as a part's shortfall may be beyond the rest's
AMOUNT_GAP = 0.25  # of a part's sum: as far as its error may be from the rest's
ERRORS = 4.0  # standard errors that chance may add
SIMULATED = 200
SEED = 20170101
MOST_VALUES = 12  # of a trait; more numbers are cut into four parts, rarer words taken together
NOT_STATED = "not stated"
NO_SEGMENT = "no order yet"
ORDERS = ((0.0, 0.0, "none"), (1.0, 3.0, "1 to 3"), (4.0, 10.0, "4 to 10"), (11.0, np.inf, "11 +"))
TENURE_DAYS = 90.0


@dataclass(frozen=True)
class Group:
    """A part of the holdout by one factor. ``inside`` is bool[n]."""

    factor: str
    name: str
    inside: NDArray[np.bool_]
    sensitive: bool = False


@dataclass(frozen=True)
class Gap:
    """How much worse a part is than the rest, and what is accepted of it, chance included."""

    value: float
    limit: float

    @property
    def within(self) -> bool:
        """Whether it is accepted."""
        return self.value <= self.limit


@dataclass(frozen=True)
class Slice:
    """The model on a part of the holdout.

    Attributes:
        factor: what the parts are made by.
        name: which part.
        sensitive: whether the factor is a declared trait.
        rows: customers in it.
        base_rate: of them, the share with the label.
        mean_prediction: the mean of their probabilities.
        metrics: of these; all three are None where the part or its rest is small, for they would
            be telling of few people.
        calibration: the mean error's difference to the rest's, 0 if the rest is further off; None
            where part or rest is too small.
        ranking: the AUC's shortfall on what the probabilities promise, beyond the rest's.
    """

    factor: str
    name: str
    sensitive: bool
    rows: int
    base_rate: float | None
    mean_prediction: float | None
    metrics: Metrics | None
    calibration: Gap | None
    ranking: Gap | None

    @property
    def verdict(self) -> str:
        """The judgement in words."""
        if self.calibration is None or self.ranking is None:
            return "too few to judge"
        if not self.calibration.within:
            return "worse calibrated"
        return "within bounds" if self.ranking.within else "worse ranked"

    @property
    def gaps(self) -> dict[str, Gap]:
        """What it is judged by, in words."""
        known = {"mean error": self.calibration, "AUC's shortfall": self.ranking}
        return {words: gap for words, gap in known.items() if gap is not None}

    @property
    def judged(self) -> bool:
        """Whether it has enough customers."""
        return self.ranking is not None

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name, with the verdict."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class AmountSlice:
    """A model of amounts on a part of the holdout; what is measured is None where it is small.

    Attributes:
        factor: what the parts are made by.
        name: which part.
        sensitive: whether the factor is a declared trait.
        rows: customers in it.
        mean_observed: what came in of each of them.
        mean_prediction: what was predicted.
        bias: the error of the sum, as a share of what came in, against the rest's; 0 if the rest is
            further off.
    """

    factor: str
    name: str
    sensitive: bool
    rows: int
    mean_observed: float | None
    mean_prediction: float | None
    bias: Gap | None

    @property
    def verdict(self) -> str:
        """The judgement in words."""
        if self.bias is None:
            return "too few to judge"
        return "within bounds" if self.bias.within else "more biased"

    @property
    def gaps(self) -> dict[str, Gap]:
        """What it is judged by, in words."""
        return {"bias": self.bias} if self.bias else {}

    @property
    def judged(self) -> bool:
        """Whether it has enough customers."""
        return self.bias is not None

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name, with the verdict."""
        return {**asdict(self), "verdict": self.verdict}


def factors_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that the rows may be sliced by, beside the features."""
    known = (*SLICE_FEATURES, SEGMENT)
    return frame[[name for name in frame if name in known or str(name).startswith(TRAIT)]]


def require_no_trait(names: Sequence[str]) -> None:
    """Check that no feature is a declared trait.

    Raises:
        TraitLearnt: one is; names it.
    """
    for name in names:
        if name.startswith(TRAIT):
            raise TraitLearnt(
                f"{name.removeprefix(TRAIT)!r} is declared sensitive, so no model may learn from "
                "it: take it off the features"
            )


def slices(
    sample: Sample, factors: pd.DataFrame, probabilities: NDArray[np.float64]
) -> list[Slice]:
    """Measure the model on each part of the holdout and against the rest of it.

    Args:
        sample: the holdout.
        factors: its rows' columns that are not learnt from, in the same order: those of
            SLICE_FEATURES that are known, SEGMENT, and declared traits, whose names begin with
            TRAIT.
        probabilities: float[n], the model's.
    """
    return [_slice(group, sample.labels, probabilities) for group in groups(sample, factors)]


def amount_slices(
    sample: Sample, factors: pd.DataFrame, amounts: NDArray[np.float64]
) -> list[AmountSlice]:
    """Measure a model of amounts on each part of the holdout; the arguments are those of slices."""
    return [_amount_slice(group, sample.labels, amounts) for group in groups(sample, factors)]


def groups(sample: Sample, factors: pd.DataFrame) -> list[Group]:
    """Return the parts that have anybody in them, factor by factor."""
    found = [*_by_orders(sample), *_by_value(sample)]
    if "mobile_share_90d" in factors:
        found += _by_device(factors["mobile_share_90d"].to_numpy(dtype=np.float64))
    if "days_since_first_seen" in factors:
        found += _by_tenure(factors["days_since_first_seen"].to_numpy(dtype=np.float64))
    if SEGMENT in factors:
        found += _by_words("Segment", factors[SEGMENT].fillna(NO_SEGMENT), sensitive=False)
    for column in factors.columns:
        if str(column).startswith(TRAIT):
            found += _by_trait(str(column).removeprefix(TRAIT), factors[column])
    return [group for group in found if group.inside.any()]


def auc_moments(labels_of: NDArray[np.float64], scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation of the AUC if these probabilities were right.

    Args:
        labels_of: float[n], the probabilities that labels are drawn with.
        scores: float[n], what ranks the rows.
    """
    ranks = rankdata(scores)
    chance, aucs = np.random.default_rng(SEED), []
    for _ in range(SIMULATED):
        drawn = chance.random(len(scores)) < labels_of
        positives = int(drawn.sum())
        if 0 < positives < len(scores):
            wins = ranks[drawn].sum() - positives * (positives + 1.0) / 2.0
            aucs.append(wins / (positives * (len(scores) - positives)))
    return (float(np.mean(aucs)), float(np.std(aucs))) if aucs else (0.5, 0.5)


def _slice(group: Group, labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Slice:
    inside, rest = group.inside, ~group.inside
    metrics = _metrics(labels[inside], probabilities[inside])
    others = _metrics(labels[rest], probabilities[rest])
    if others is None and rest.any():
        metrics = None  # the whole less this part would tell of the few that are left
    judged = metrics is not None and others is not None
    return Slice(
        factor=group.factor,
        name=group.name,
        sensitive=group.sensitive,
        rows=int(inside.sum()),
        base_rate=metrics.base_rate if metrics else None,
        mean_prediction=float(probabilities[inside].mean()) if metrics else None,
        metrics=metrics,
        calibration=_calibration(inside, labels, probabilities) if judged else None,
        ranking=(
            _ranking(probabilities[inside], metrics.auc, probabilities[rest], others.auc)
            if metrics and others
            else None
        ),
    )


def _amount_slice(
    group: Group, labels: NDArray[np.float64], amounts: NDArray[np.float64]
) -> AmountSlice:
    inside, rest = group.inside, ~group.inside
    paying = labels > 0.0
    judged = all(
        part.sum() >= MINIMUM_ROWS and (paying & part).sum() >= MINIMUM_OF_A_CLASS
        for part in (inside, rest)
    )
    own = _bias(labels[inside], amounts[inside]) if judged else None
    others = _bias(labels[rest], amounts[rest]) if judged else None
    return AmountSlice(
        factor=group.factor,
        name=group.name,
        sensitive=group.sensitive,
        rows=int(inside.sum()),
        mean_observed=float(labels[inside].mean()) if judged else None,
        mean_prediction=float(amounts[inside].mean()) if judged else None,
        bias=(
            Gap(
                value=abs(own[0] - others[0]) if abs(own[0]) >= abs(others[0]) else 0.0,
                limit=AMOUNT_GAP + ERRORS * float(np.hypot(own[1], others[1])),
            )
            if own and others
            else None
        ),
    )


def _bias(labels: NDArray[np.float64], amounts: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean error as a share of what came in, and its standard error."""
    off = (amounts - labels) / labels.mean()
    return float(off.mean()), float(off.std() / np.sqrt(len(off)))


def _metrics(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Metrics | None:
    try:
        return evaluate(labels, probabilities)
    except TooFewRows:
        return None


def _calibration(
    inside: NDArray[np.bool_], labels: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> Gap:
    """Return the difference of the mean errors; 0.0 where the rest is the one further off."""
    off = probabilities - labels
    own, others = float(off[inside].mean()), float(off[~inside].mean())
    error = np.sqrt(sum(_variance(probabilities[part]) for part in (inside, ~inside)))
    return Gap(
        value=abs(own - others) if abs(own) >= abs(others) else 0.0,
        limit=float(CALIBRATION_GAP + ERRORS * error),
    )


def _variance(probabilities: NDArray[np.float64]) -> float:
    """Return the variance of the mean of labels drawn with these probabilities."""
    return float((probabilities * (1.0 - probabilities)).sum() / len(probabilities) ** 2)


def _ranking(
    inside: NDArray[np.float64], own: float, rest: NDArray[np.float64], others: float
) -> Gap:
    promised, deviation = auc_moments(inside, inside)
    promised_rest, deviation_rest = auc_moments(rest, rest)
    return Gap(
        value=(promised - own) - (promised_rest - others),
        limit=RANKING_GAP + ERRORS * float(np.hypot(deviation, deviation_rest)),
    )


def _by_orders(sample: Sample) -> Iterator[Group]:
    orders = _column(sample, "order_count_90d")
    for low, high, name in ORDERS:
        yield Group("Orders in 90 days", name, (orders >= low) & (orders <= high))


def _by_value(sample: Sample) -> Iterator[Group]:
    """Cut by recency and money at the holdout's medians: a coarse RFM."""
    recency = _column(sample, "days_since_last_order")
    money = np.nan_to_num(_column(sample, "net_revenue_90d"))
    ordered = ~np.isnan(recency)
    if not ordered.any():
        return
    recent = ordered & (recency <= np.median(recency[ordered]))
    rich = money >= np.median(money[ordered])
    factor = "Recency and money"
    yield Group(factor, "recent, spend much", recent & rich)
    yield Group(factor, "recent, spend little", recent & ~rich)
    yield Group(factor, "away, spent much", ordered & ~recent & rich)
    yield Group(factor, "away, spent little", ordered & ~recent & ~rich)
    yield Group(factor, "never ordered", ~ordered)


def _by_device(mobile: NDArray[np.float64]) -> Iterator[Group]:
    factor = "Device in 90 days"
    yield Group(factor, "mostly mobile", mobile > 0.5)
    yield Group(factor, "mostly other", mobile <= 0.5)
    yield Group(factor, "device unknown", np.isnan(mobile))


def _by_tenure(days: NDArray[np.float64]) -> Iterator[Group]:
    yield Group("Known to the shop", f"up to {TENURE_DAYS:.0f} days", days <= TENURE_DAYS)
    yield Group("Known to the shop", "longer", days > TENURE_DAYS)


def _by_trait(trait: str, column: "pd.Series[str]") -> Iterator[Group]:
    values = column.fillna(NOT_STATED).astype(str)
    stated = values[values != NOT_STATED]
    numbers = pd.to_numeric(stated, errors="coerce")
    if numbers.nunique() > MOST_VALUES and bool(numbers.notna().all()):
        cut = pd.qcut(numbers, 4, duplicates="drop", precision=0).astype(str)
        values = cut.reindex(values.index, fill_value=NOT_STATED)
    yield from _by_words(trait, values, sensitive=True)


def _by_words(factor: str, values: "pd.Series[str]", *, sensitive: bool) -> Iterator[Group]:
    counts = values.value_counts()
    kept = sorted(counts[counts >= MINIMUM_ROWS].index[:MOST_VALUES])
    for value in kept:
        yield Group(factor, value, (values == value).to_numpy(), sensitive)
    yield Group(factor, "all other values", (~values.isin(kept)).to_numpy(), sensitive)


def _column(sample: Sample, name: str) -> NDArray[np.float64]:
    return np.asarray(sample.values[:, sample.names.index(name)])


def told(found: Sequence[Slice | AmountSlice]) -> str:
    """Return in a sentence which parts are too small to judge; empty if none is."""
    few = [f"{part.factor}: {part.name} ({part.rows:,})" for part in found if not part.judged]
    if not few:
        return ""
    of = "with an amount" if isinstance(found[0], AmountSlice) else "of a class"
    return (
        f"Too few customers to judge (at least {MINIMUM_ROWS}, {MINIMUM_OF_A_CLASS} {of}, "
        f"in the part and in the rest): {'; '.join(few)}."
    )
