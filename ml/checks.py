"""What a model has to pass before anybody may promote it: leaks, luck and nonsense, a check each.

A check has one number and one limit. What chance alone would do to the number on so many rows is in
the limit, so that a small shop is not refused for being small.

Here is what holds for classes and amounts alike, each by its own measure of ranking; which checks a
model has to pass, and those of one kind only, are in `ml.class_checks` and `ml.amount_checks`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from ml.errors import TooFewRows
from ml.explain import margins
from ml.promote import Losses, Metrics
from ml.slices import AmountSlice, Gap, Slice
from ml.train import Params, Sample, fit

CONSTANT_SHARE = 0.99
ERRORS = 4.0  # standard errors that chance may be off: one model of ten thousand
OTHER_SEEDS = (1, 2)
SHUFFLES = 5
SHUFFLED_SHARE = 0.5  # of what the model ranks above chance
SEED = 20170101


@dataclass(frozen=True)
class Check:
    """One check of one model.

    Attributes:
        name: of the check.
        passed: whether it holds.
        value: what was found.
        limit: what is accepted.
        detail: in one sentence: what the number is, and of what.
    """

    name: str
    passed: bool
    value: float
    limit: float
    detail: str

    @classmethod
    def of(
        cls, name: str, found: str, *, passed: bool, value: float, limit: float, worry: str = ""
    ) -> "Check":
        """Return a check that tells what was found and, if it fails, what to worry about."""
        detail = f"{found}: {worry}" if worry and not passed else found
        return cls(name, passed, value, limit, detail)

    def as_dict(self) -> dict[str, object]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class Ranking:
    """How ranking is measured, and what is accepted of it.

    Attributes:
        metric: its name among the metrics.
        words: what it is called, with its article.
        of: labels and scores to the measure.
        error: labels to the standard error of scores that know nothing of them.
        chance: what these come to.
        single: what one feature alone may reach, however it is turned.
        leak: what the model may reach.
        seeds: how far it may differ between seeds.
        unseen: by how much it may be lower for customers never seen.
        weeks: how far it may differ between weeks.
    """

    metric: str
    words: str
    of: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
    error: Callable[[NDArray[np.float64]], float]
    chance: float
    single: float
    leak: float
    seeds: float
    unseen: float
    weeks: float


@dataclass(frozen=True)
class Candidate:
    """A fitted model and all that it is judged by.

    Attributes:
        booster: the model as it is stored.
        searched: the model of the training weeks alone, which has not seen the validation weeks.
        params: of the trees.
        rounds: how many trees.
        fitted: what it was fitted on.
        sizes: how many rows of it each snapshot has, in their order.
        weeks: the validation weeks, one sample each.
        earlier: what folds before that are trained on, and their validation weeks.
        holdout: what it is judged on.
        predictions: float[n], on the holdout.
        metrics: of these.
        unseen: of models that have seen none of the holdout's customers.
        ranking: how these rank, and what is accepted.
        losses: each row's loss.
        cluster: address of the Dask scheduler that it was trained on; None = this process.
        slices: the model on parts of the holdout.
    """

    booster: xgb.Booster
    searched: xgb.Booster
    params: Params
    rounds: int
    fitted: Sample
    sizes: Sequence[int]
    weeks: Sequence[tuple[datetime, Sample]]
    earlier: Sequence[tuple[Sample, Sequence[tuple[datetime, Sample]]]]
    holdout: Sample
    predictions: NDArray[np.float64]
    metrics: Metrics
    unseen: Metrics
    ranking: Ranking
    losses: Losses
    slices: Sequence[Slice | AmountSlice]
    cluster: str | None = None

    def fit(self, sample: Sample, params: Params) -> xgb.Booster:
        """Grow as many trees as the model has, where it was grown."""
        return fit(sample, params, rounds=self.rounds, cluster=self.cluster)


def no_feature_knows_the_answer(fitted: Sample, ranking: Ranking) -> Check:
    """Check that no single feature ranks customers as only the label itself could."""
    found = [
        (_alone(fitted.labels, column, ranking), name)
        for name, column in zip(fitted.names, fitted.values.T, strict=True)
    ]
    value, name = max(found)
    return Check.of(
        "no_feature_knows_the_answer",
        f"{name} alone has {ranking.words} of {value:.3f}",
        passed=value <= ranking.single,
        value=value,
        limit=ranking.single,
        worry="does it look past as_of, or copy the label?",
    )


def no_feature_is_nearly_constant(fitted: Sample, booster: xgb.Booster) -> Check:
    """Check that the model reads no feature that says the same of nearly everybody."""
    read = set(booster.get_score())
    shares = [
        (_commonest_share(column), name)
        for name, column in zip(fitted.names, fitted.values.T, strict=True)
        if name in read
    ]
    value, name = max(shares, default=(0.0, "no feature"))
    return Check.of(
        "no_feature_is_nearly_constant",
        f"{name} has one value in {value:.1%} of the rows",
        passed=value < CONSTANT_SHARE,
        value=value,
        limit=CONSTANT_SHARE,
        worry="what it says rests on the few others",
    )


def not_too_good(candidate: Candidate) -> Check:
    """Check that the model is no better than customers are predictable."""
    value, limit = _measured(candidate, candidate.metrics), candidate.ranking.leak
    return Check.of(
        "not_too_good",
        f"{_the(candidate.ranking)} is {value:.3f}",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="customers are not that predictable, so look for a feature that knows",
    )


def nothing_learnt_from_shuffled_labels(candidate: Candidate) -> Check:
    """Check that labels which other customers of the same week had do not rank the true holdout.

    What is left of the ranking then, no customer's own label has taught (y-randomisation: Rücker,
    Rücker and Meringer, 2007; Ojala and Garriga, "Permutation tests for studying classifier
    performance", 2010). One shuffle leans some way by chance, and features lean together: so the
    mean of several is judged, of as many trees in all as the model has.
    """
    ranking, holdout = candidate.ranking, candidate.holdout
    chance, found = np.random.default_rng(SEED), []
    for _ in range(SHUFFLES):
        weeks = np.split(candidate.fitted.labels, np.cumsum(candidate.sizes)[:-1])
        labels = np.concatenate([chance.permutation(week) for week in weeks])
        rounds = -(-candidate.rounds // SHUFFLES)
        booster = replace(candidate, rounds=rounds).fit(
            replace(candidate.fitted, labels=labels), candidate.params
        )
        found.append(ranking.of(holdout.labels, _margins(booster, holdout)))
    value = float(np.mean(found)) - ranking.chance
    own = max(_measured(candidate, candidate.metrics) - ranking.chance, 0.0)
    noise = ranking.error(holdout.labels) / float(np.sqrt(SHUFFLES))
    limit = SHUFFLED_SHARE * own + ERRORS * noise
    return Check.of(
        "nothing_learnt_from_shuffled_labels",
        f"fitted on labels shuffled within their weeks {_the(ranking)} is {value:+.3f} from "
        f"{ranking.chance:g}, the model's {own:+.3f}",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="a feature tells the labels of its week",
    )


def stable_over_seeds(candidate: Candidate) -> Check:
    """Check that another seed gives no other ranking quality."""
    ranking = candidate.ranking
    found = [_measured(candidate, candidate.metrics)]
    for seed in OTHER_SEEDS:
        booster = candidate.fit(candidate.fitted, replace(candidate.params, seed=seed))
        found.append(ranking.of(candidate.holdout.labels, _margins(booster, candidate.holdout)))
    value = max(found) - min(found)
    return Check.of(
        "stable_over_seeds",
        f"{_the(ranking)} differs by {value:.3f} between {len(found)} seeds",
        passed=value <= ranking.seeds,
        value=value,
        limit=ranking.seeds,
        worry="its quality is luck",
    )


def stable_over_weeks(candidate: Candidate) -> Check:
    """Check that no validation week goes much worse than another, over three months of them.

    Each is ranked by trees that know nothing later than what comes before its gap.
    """
    ranking = candidate.ranking
    found = [
        (ranking.of(week.labels, _margins(booster, week)), as_of, week)
        for booster, weeks in _forward(candidate)
        for as_of, week in weeks
        if len(week.labels) and np.ptp(week.labels) > 0.0
    ]
    if not found:
        return Check(
            "stable_over_weeks", False, 1.0, ranking.weeks, "no validation week has both labels"
        )
    best, worst = max(found, key=_first), min(found, key=_first)
    value = best[0] - worst[0]
    limit = ranking.weeks + ERRORS * max(ranking.error(week.labels) for _, _, week in found)
    return Check.of(
        "stable_over_weeks",
        f"{_the(ranking)} of {worst[1].date()} is {worst[0]:.3f}, that of {best[1].date()} "
        f"{best[0]:.3f}",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="its quality depends on the week",
    )


def as_good_for_unseen_customers(candidate: Candidate) -> Check:
    """Check that it has learnt what customers do, and not the customers by heart."""
    known, unseen = (_measured(candidate, one) for one in (candidate.metrics, candidate.unseen))
    value, limit = known - unseen, candidate.ranking.unseen
    return Check.of(
        "as_good_for_unseen_customers",
        f"{_the(candidate.ranking)} is {known:.3f}, and {unseen:.3f} by models that never saw the "
        "customer",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="it knows customers by heart, so look for a feature that is one's name",
    )


def no_slice_is_worse(slices: Sequence[Slice | AmountSlice]) -> Check:
    """Check that no part of the holdout is served worse than the rest by more than chance.

    Parts with too few customers are not judged; the report names them.
    """
    found: list[tuple[float, str, Gap]] = []
    for part in slices:
        for kind, gap in part.gaps.items():
            words = f"{kind} of {part.factor} {part.name!r} is {gap.value:.3f} off the rest's"
            found.append((gap.value / gap.limit, words, gap))
    judged = sum(part.judged for part in slices)
    if not found:
        return Check.of(
            "no_slice_is_worse",
            f"none of {len(slices)} slices has enough customers to be judged",
            passed=True,
            value=0.0,
            limit=0.0,
        )
    _, words, gap = max(found, key=_excess)
    return Check.of(
        "no_slice_is_worse",
        f"of {judged} slices judged, of {len(slices)}: the {words}",
        passed=gap.within,
        value=gap.value,
        limit=gap.limit,
        worry="these customers are served worse",
    )


def _forward(
    candidate: Candidate,
) -> Iterator[tuple[xgb.Booster, Sequence[tuple[datetime, Sample]]]]:
    """Yield each fold's trees and weeks; leave out folds with too little to learn from."""
    for train, weeks in candidate.earlier:
        with suppress(TooFewRows):
            yield candidate.fit(train, candidate.params), weeks
    yield candidate.searched, candidate.weeks


def _measured(candidate: Candidate, metrics: Metrics) -> float:
    return metrics.as_dict()[candidate.ranking.metric]


def _the(ranking: Ranking) -> str:
    return f"the {ranking.words.partition(' ')[2]}"


def _first(found: tuple[float, datetime, Sample]) -> float:
    return found[0]


def _excess(found: tuple[float, str, Gap]) -> float:
    return found[0]


def _margins(booster: xgb.Booster, sample: Sample) -> NDArray[np.float64]:
    return margins(booster, sample.in_memory().values, sample.names)


def _alone(labels: NDArray[np.float64], column: NDArray[np.float64], ranking: Ranking) -> float:
    """Return how one feature ranks, turned either way, its missing values lowest or highest."""
    least = float(np.nanmin(column, initial=np.inf)) - 1.0
    most = float(np.nanmax(column, initial=-np.inf)) + 1.0
    ends = (least, most) if np.isnan(column).any() else (least,)
    if np.isnan(column).all():
        return ranking.chance
    found = [ranking.of(labels, np.nan_to_num(column, nan=end)) - ranking.chance for end in ends]
    return ranking.chance + max(map(abs, found))


def _commonest_share(column: NDArray[np.float64]) -> float:
    _, counts = np.unique(column, return_counts=True)
    return float(counts.max() / len(column))
