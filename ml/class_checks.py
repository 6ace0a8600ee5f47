"""The checks of a model of classes: those of all models, by the AUC, and of its probabilities."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ml.baselines import base_rate
from ml.checks import (
    SEED,
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
from ml.evaluate import LEAK_AUC, equal_count_bins, expected_calibration_error
from ml.promote import gain
from ml.train import Sample

SINGLE_AUC = 0.90  # of one feature alone, however it is turned
ODDS_RATIO = 2.5  # of the holdout's base rate to that of the fitted weeks, or the other way round
CALIBRATION_ERROR = 0.05
SEED_AUC = 0.02
UNSEEN_AUC = 0.03
WEEK_AUC = 0.10
SIMULATED = 200


def run_checks(candidate: Candidate) -> list[Check]:
    """Return all checks of a model of classes, in a fixed order."""
    return [
        no_feature_knows_the_answer(candidate.fitted, candidate.ranking),
        no_feature_is_nearly_constant(candidate.fitted, candidate.booster),
        not_too_good(candidate),
        better_than_the_base_rate(candidate),
        nothing_learnt_from_shuffled_labels(candidate),
        base_rate_as_before(candidate.fitted, candidate.holdout),
        calibrated(candidate.holdout.labels, candidate.predictions),
        stable_over_seeds(candidate),
        stable_over_weeks(candidate),
        as_good_for_unseen_customers(candidate),
        no_slice_is_worse(candidate.slices),
    ]


def better_than_the_base_rate(candidate: Candidate) -> Check:
    """Check that it beats knowing nothing by more than chance."""
    labels = candidate.holdout.labels
    known = gain(labels, candidate.predictions, base_rate(candidate.fitted, len(labels)))
    return Check.of(
        "better_than_the_base_rate",
        f"with 95 % confidence the log loss is at least {known.at_least:.4f} below the base rate's",
        passed=known.at_least > 0.0,
        value=known.at_least,
        limit=0.0,
        worry="labels and features do not belong together",
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


def auc(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve of scores, of labels 0.0 and 1.0."""
    return float(roc_auc_score(labels, scores))


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


AUC = Ranking(
    metric="auc",
    words="an AUC",
    of=auc,
    error=auc_error,
    chance=0.5,
    single=SINGLE_AUC,
    leak=LEAK_AUC,
    seeds=SEED_AUC,
    unseen=UNSEEN_AUC,
    weeks=WEEK_AUC,
)


def _error_of_right_ones(probabilities: NDArray[np.float64]) -> float:
    chance, errors = np.random.default_rng(SEED), []
    for _ in range(SIMULATED):
        labels = (chance.random(len(probabilities)) < probabilities).astype(float)
        errors.append(expected_calibration_error(equal_count_bins(labels, probabilities)))
    return float(np.quantile(errors, 0.95))
