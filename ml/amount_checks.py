"""The checks of a model of amounts: those of all models, by the Gini, and of its sums of money."""

import numpy as np
from numpy.typing import NDArray

from ml.amounts import gini, gini_error
from ml.baselines import base_rate
from ml.checks import (
    ERRORS,
    Candidate,
    Check,
    Ranking,
    as_good_for_unseen_customers,
    no_feature_is_nearly_constant,
    no_feature_knows_the_answer,
    no_slice_is_worse,
    not_too_good,
    nothing_learnt_from_shuffled_labels,
    stable_over_seeds,
    stable_over_weeks,
)
from ml.evaluate import equal_count_bins, expected_calibration_error
from ml.promote import gain
from ml.train import Sample

ENOUGH_PAYING = 50  # of the holdout: a sum that rests on fewer is luck
MEAN_RATIO = 2.0  # of the holdout's mean to that of the fitted weeks, or the other way round
BIAS = 0.25  # of what came in
DECILE_ERROR = 0.25  # of what came in
GINI = Ranking(
    metric="gini",
    words="a Gini",
    of=gini,
    error=gini_error,
    chance=0.0,
    single=0.95,
    leak=0.97,
    seeds=0.02,
    unseen=0.03,
    weeks=0.10,
)


def run_checks(candidate: Candidate) -> list[Check]:
    """Return all checks of a model of amounts, in a fixed order."""
    labels, amounts = candidate.holdout.labels, candidate.predictions
    return [
        no_feature_knows_the_answer(candidate.fitted, candidate.ranking),
        no_feature_is_nearly_constant(candidate.fitted, candidate.booster),
        not_too_good(candidate),
        enough_customers_pay(labels),
        better_than_the_mean(candidate),
        nothing_learnt_from_shuffled_labels(candidate),
        revenue_as_before(candidate.fitted, candidate.holdout),
        unbiased(labels, amounts),
        calibrated(labels, amounts),
        stable_over_seeds(candidate),
        stable_over_weeks(candidate),
        as_good_for_unseen_customers(candidate),
        no_slice_is_worse(candidate.slices),
    ]


def enough_customers_pay(labels: NDArray[np.float64]) -> Check:
    """Check that the holdout's sum does not rest on a handful of customers."""
    value = int((labels > 0.0).sum())
    return Check.of(
        "enough_customers_pay",
        f"{value:,} of {len(labels):,} customers of the holdout brought in anything",
        passed=value >= ENOUGH_PAYING,
        value=float(value),
        limit=float(ENOUGH_PAYING),
        worry="a sum that rests on so few is luck",
    )


def better_than_the_mean(candidate: Candidate) -> Check:
    """Check that it beats knowing nothing by more than chance."""
    labels = candidate.holdout.labels
    nothing = base_rate(candidate.fitted, len(labels))
    known = gain(labels, candidate.predictions, nothing, losses=candidate.losses)
    return Check.of(
        "better_than_the_mean",
        f"with 95 % confidence the deviance is at least {known.at_least:.4f} below the mean's",
        passed=known.at_least > 0.0,
        value=known.at_least,
        limit=0.0,
        worry="labels and features do not belong together",
    )


def revenue_as_before(fitted: Sample, holdout: Sample) -> Check:
    """Check that the holdout's season is not another world than those it has learnt from."""
    before, now = float(fitted.labels.mean()), float(holdout.labels.mean())
    value = max(now / before, before / now)
    return Check.of(
        "revenue_as_before",
        f"a customer brought in {now:.2f} in the holdout and {before:.2f} in the fitted weeks",
        passed=value <= MEAN_RATIO,
        value=value,
        limit=MEAN_RATIO,
        worry="what was learnt is of another world",
    )


def unbiased(labels: NDArray[np.float64], amounts: NDArray[np.float64]) -> Check:
    """Check that the sum is right, but for what chance does to so many customers."""
    value = abs(float(amounts.sum() / labels.sum()) - 1.0)
    chance = float((amounts - labels).std() / np.sqrt(len(labels)) / labels.mean())
    limit = BIAS + ERRORS * chance
    return Check.of(
        "unbiased",
        f"the amounts sum to {amounts.sum() / labels.sum():.3f} of what came in",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="a budget by this sum would be wrong",
    )


def calibrated(labels: NDArray[np.float64], amounts: NDArray[np.float64]) -> Check:
    """Check that each tenth brings in what was predicted of it, but for chance."""
    value = expected_calibration_error(equal_count_bins(labels, amounts)) / float(labels.mean())
    order = np.argsort(amounts, kind="stable")
    spreads = [
        float((labels[part] - amounts[part]).std() / np.sqrt(len(part)))
        for part in np.array_split(order, 10)
    ]
    limit = DECILE_ERROR + ERRORS * float(np.linalg.norm(spreads) / 10.0 / labels.mean())
    return Check.of(
        "calibrated",
        f"on average a tenth of the customers is off by {value:.1%} of what one brings in",
        passed=value <= limit,
        value=value,
        limit=limit,
        worry="who is worth how much would be wrong",
    )
