"""What a model has to pass before anybody may promote it: leaks, luck and nonsense, a check each.

A check has one number and one limit. What chance alone would do to the number on so many rows is in
the limit, so that a small shop is not refused for being small.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ml.baselines import base_rate
from ml.evaluate import LEAK_AUC, Metrics, equal_count_bins, expected_calibration_error
from ml.explain import margins
from ml.promote import gain
from ml.slices import Gap, Slice
from ml.train import Params, Sample, fit

SINGLE_AUC = 0.90  # of one feature alone, however it is turned
CONSTANT_SHARE = 0.99
ODDS_RATIO = 2.5  # of the holdout's base rate to that of the fitted weeks, or the other way round
CALIBRATION_ERROR = 0.05
SEED_AUC = 0.02
UNSEEN_AUC = 0.03
WEEK_AUC = 0.10
ERRORS = 4.0  # standard errors that chance may be off: one model of ten thousand
OTHER_SEEDS = (1, 2)
SEED = 20170101
SIMULATED = 200


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
class Candidate:
    """A fitted model and all that it is judged by.

    Attributes:
        booster: the model as it is stored.
        searched: the model of the training weeks alone, which has not seen the validation weeks.
        params: of the trees.
        rounds: how many trees.
        fitted: what it was fitted on.
        weeks: the validation weeks, one sample each.
        holdout: what it is judged on.
        probabilities: float[n], on the holdout.
        metrics: of these.
        unseen: of models that have seen none of the holdout's customers.
        cluster: address of the Dask scheduler that it was trained on; None = this process.
        slices: the model on parts of the holdout.
    """

    booster: xgb.Booster
    searched: xgb.Booster
    params: Params
    rounds: int
    fitted: Sample
    weeks: Sequence[tuple[datetime, Sample]]
    holdout: Sample
    probabilities: NDArray[np.float64]
    metrics: Metrics
    unseen: Metrics
    slices: Sequence[Slice]
    cluster: str | None = None

    def fit(self, sample: Sample, params: Params) -> xgb.Booster:
        """Grow as many trees as the model has, where it was grown."""
        return fit(sample, params, rounds=self.rounds, cluster=self.cluster)


def run_checks(candidate: Candidate) -> list[Check]:
    """Return all checks, in a fixed order."""
    return [
        no_feature_knows_the_answer(candidate.fitted),
        no_feature_is_nearly_constant(candidate.fitted, candidate.booster),
        not_too_good(candidate.metrics),
        better_than_the_base_rate(candidate),
        nothing_learnt_from_shuffled_labels(candidate),
        base_rate_as_before(candidate.fitted, candidate.holdout),
        calibrated(candidate.holdout.labels, candidate.probabilities),
        stable_over_seeds(candidate),
        stable_over_weeks(candidate),
        as_good_for_unseen_customers(candidate),
        no_slice_is_worse(candidate.slices),
    ]


def no_feature_knows_the_answer(fitted: Sample) -> Check:
    """Check that no single feature ranks customers as only the label itself could."""
    found = [
        (_alone(fitted.labels, column), name)
        for name, column in zip(fitted.names, fitted.values.T, strict=True)
    ]
    value, name = max(found)
    return Check.of(
        "no_feature_knows_the_answer",
        f"{name} alone has an AUC of {value:.3f}",
        passed=value <= SINGLE_AUC,
        value=value,
        limit=SINGLE_AUC,
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


def not_too_good(metrics: Metrics) -> Check:
    """Check that the model is no better than customers are predictable."""
    return Check.of(
        "not_too_good",
        f"the AUC is {metrics.auc:.3f}",
        passed=metrics.auc <= LEAK_AUC,
        value=metrics.auc,
        limit=LEAK_AUC,
        worry="customers are not that predictable, so look for a feature that knows",
    )


def better_than_the_base_rate(candidate: Candidate) -> Check:
    """Check that it beats knowing nothing by more than chance."""
    labels = candidate.holdout.labels
    known = gain(labels, candidate.probabilities, base_rate(candidate.fitted, len(labels)))
    return Check.of(
        "better_than_the_base_rate",
        f"with 95 % confidence the log loss is at least {known.at_least:.4f} below the base rate's",
        passed=known.at_least > 0.0,
        value=known.at_least,
        limit=0.0,
        worry="labels and features do not belong together",
    )


def nothing_learnt_from_shuffled_labels(candidate: Candidate) -> Check:
    """Check that what is fitted on shuffled labels does not know the shuffled holdout."""
    chance = np.random.default_rng(SEED)
    fitted = replace(candidate.fitted, labels=chance.permutation(candidate.fitted.labels))
    labels = chance.permutation(candidate.holdout.labels)
    booster = candidate.fit(fitted, candidate.params)
    value = abs(float(roc_auc_score(labels, _margins(booster, candidate.holdout))) - 0.5)
    limit = ERRORS * auc_error(labels)
    return Check.of(
        "nothing_learnt_from_shuffled_labels",
        f"fitted on shuffled labels the AUC is {value:.3f} off 0.5",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="a label gets into the features",
    )


def base_rate_as_before(fitted: Sample, holdout: Sample) -> Check:
    """Check that the holdout's week is not another world than those it has learnt from."""
    before, now = float(fitted.labels.mean()), float(holdout.labels.mean())
    ratio = now / (1.0 - now) / (before / (1.0 - before))
    value = max(ratio, 1.0 / ratio)
    return Check.of(
        "base_rate_as_before",
        f"the base rate is {now:.3f} in the holdout and was {before:.3f} in the fitted weeks",
        passed=value <= ODDS_RATIO,
        value=value,
        limit=ODDS_RATIO,
        worry="what was learnt is of another world",
    )


def calibrated(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Check:
    """Check the calibration error, less what right probabilities would have on so many rows."""
    value = expected_calibration_error(equal_count_bins(labels, probabilities))
    limit = CALIBRATION_ERROR + _error_of_right_ones(probabilities)
    return Check.of(
        "calibrated",
        f"on average a probability is off by {value:.3f}",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="a decision by thresholds would be wrong",
    )


def stable_over_seeds(candidate: Candidate) -> Check:
    """Check that another seed gives no other ranking quality."""
    found = [candidate.metrics.auc]
    for seed in OTHER_SEEDS:
        booster = candidate.fit(candidate.fitted, replace(candidate.params, seed=seed))
        found.append(
            float(roc_auc_score(candidate.holdout.labels, _margins(booster, candidate.holdout)))
        )
    value = max(found) - min(found)
    return Check.of(
        "stable_over_seeds",
        f"the AUC differs by {value:.3f} between {len(found)} seeds",
        passed=value <= SEED_AUC,
        value=value,
        limit=SEED_AUC,
        worry="its quality is luck",
    )


def stable_over_weeks(candidate: Candidate) -> Check:
    """Check that no validation week goes much worse than another."""
    found = [
        (float(roc_auc_score(week.labels, _margins(candidate.searched, week))), as_of, week)
        for as_of, week in candidate.weeks
        if 0.0 < week.labels.mean() < 1.0
    ]
    if not found:
        return Check(
            "stable_over_weeks", False, 1.0, WEEK_AUC, "no validation week has both labels"
        )
    best, worst = max(found, key=_first), min(found, key=_first)
    value = best[0] - worst[0]
    limit = WEEK_AUC + ERRORS * max(auc_error(week.labels) for _, _, week in found)
    return Check.of(
        "stable_over_weeks",
        f"the AUC of {worst[1].date()} is {worst[0]:.3f}, that of {best[1].date()} {best[0]:.3f}",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="its quality depends on the week",
    )


def as_good_for_unseen_customers(candidate: Candidate) -> Check:
    """Check that it has learnt what customers do, and not the customers by heart."""
    known, unseen = candidate.metrics.auc, candidate.unseen.auc
    value = known - unseen
    return Check.of(
        "as_good_for_unseen_customers",
        f"the AUC is {known:.3f}, and {unseen:.3f} by models that never saw the customer",
        passed=value <= UNSEEN_AUC,
        value=value,
        limit=UNSEEN_AUC,
        worry="it knows customers by heart, so look for a feature that is one's name",
    )


def no_slice_is_worse(slices: Sequence[Slice]) -> Check:
    """Check that no part of the holdout is served worse than the rest by more than chance.

    Parts with too few customers are not judged; the report names them.
    """
    found: list[tuple[float, str, Gap]] = []
    for part in slices:
        for kind, gap in (("mean error", part.calibration), ("AUC's shortfall", part.ranking)):
            if gap is not None:
                words = f"{kind} of {part.factor} {part.name!r} is {gap.value:.3f} off the rest's"
                found.append((gap.value / gap.limit, words, gap))
    judged = sum(part.ranking is not None for part in slices)
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


def auc_error(labels: NDArray[np.float64]) -> float:
    """Return the standard error of the AUC of scores that know nothing of these labels.

    Mann and Whitney, "On a test of whether one of two random variables is stochastically larger
    than the other" (1947).

    >>> round(auc_error(np.array([1.0] * 100 + [0.0] * 100)), 4)
    0.0409
    """
    positives = float(labels.sum())
    negatives = len(labels) - positives
    return float(np.sqrt((len(labels) + 1.0) / (12.0 * positives * negatives)))


def _first(found: tuple[float, datetime, Sample]) -> float:
    return found[0]


def _excess(found: tuple[float, str, Gap]) -> float:
    return found[0]


def _margins(booster: xgb.Booster, sample: Sample) -> NDArray[np.float64]:
    return margins(booster, sample.values, sample.names)


def _alone(labels: NDArray[np.float64], column: NDArray[np.float64]) -> float:
    """Return the AUC of one feature, turned either way, its missing values lowest or highest."""
    least = float(np.nanmin(column, initial=np.inf)) - 1.0
    most = float(np.nanmax(column, initial=-np.inf)) + 1.0
    ends = (least, most) if np.isnan(column).any() else (least,)
    if np.isnan(column).all():
        return 0.5
    found = [float(roc_auc_score(labels, np.nan_to_num(column, nan=end))) for end in ends]
    return max(max(auc, 1.0 - auc) for auc in found)


def _commonest_share(column: NDArray[np.float64]) -> float:
    _, counts = np.unique(column, return_counts=True)
    return float(counts.max() / len(column))


def _error_of_right_ones(probabilities: NDArray[np.float64]) -> float:
    chance = np.random.default_rng(SEED)
    drawn = (chance.random((SIMULATED, len(probabilities))) < probabilities).astype(float)
    errors = [
        expected_calibration_error(equal_count_bins(labels, probabilities)) for labels in drawn
    ]
    return float(np.quantile(errors, 0.95))
