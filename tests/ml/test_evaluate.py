"""The numbers are those of the textbooks, and a sample that says nothing is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from ml.errors import TooFewRows
from ml.evaluate import equal_width_bins, evaluate, lift

seeds = some.integers(0, 2**32 - 1)


def _sample(seed: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    probabilities = chance.beta(1.0, 3.0, rows)
    return (chance.random(rows) < probabilities).astype(float), probabilities


def _auc_by_counting(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of pairs in the right order, ties counted half."""
    pairs = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@given(seed=seeds)
def test_auc_is_the_share_of_pairs_in_the_right_order(seed):
    labels, probabilities = _sample(seed)
    coarse = probabilities.round(1)
    assert evaluate(labels, coarse).auc == pytest.approx(_auc_by_counting(labels, coarse))


@given(seed=seeds)
def test_log_losses_and_brier_follow_their_formulas(seed):
    labels, p = _sample(seed)
    found, base = evaluate(labels, p), labels.mean()
    assert found.log_loss == pytest.approx(
        -np.mean(labels * np.log(p) + (1 - labels) * np.log1p(-p))
    )
    assert found.base_rate_log_loss == pytest.approx(
        -(base * np.log(base) + (1 - base) * np.log(1 - base))
    )
    assert found.brier == pytest.approx(brier_score_loss(labels, p))


@given(seed=seeds)
def test_equal_width_bins_are_those_of_scikit_learn(seed):
    labels, probabilities = _sample(seed)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=10)
    bins = equal_width_bins(labels, probabilities)
    assert [part.observed for part in bins] == pytest.approx(observed.tolist())
    assert [part.predicted for part in bins] == pytest.approx(predicted.tolist())


def test_a_constant_has_no_rank_no_lift_and_a_perfect_calibration_at_the_base_rate():
    labels = np.repeat([0.0, 1.0], [300, 100])
    found = evaluate(labels, np.full(400, 0.25))
    assert found.auc == 0.5
    assert found.lift_top_decile == pytest.approx(1.0)
    assert found.ece_equal_width == 0.0
    assert found.log_loss == pytest.approx(found.base_rate_log_loss)


def test_the_right_order_lifts_the_top_tenth_as_far_as_it_can():
    labels = np.repeat([0.0, 1.0], [900, 100])
    assert lift(labels, np.linspace(0, 1, 1000), share=0.1) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("rows", "positives", "few"),
    [
        (99, 40, "40 of them positives"),
        (400, 9, "9 of them positives"),
        (400, 391, "9 of them negatives"),
        (0, 0, "0 of them negatives"),
    ],
)
def test_too_small_a_sample_is_refused_with_its_rarer_class(rows, positives, few):
    labels = np.repeat([1.0, 0.0], [positives, rows - positives])
    with pytest.raises(TooFewRows, match=f"{rows} rows, {few}"):
        evaluate(labels, np.full(rows, 0.5))
