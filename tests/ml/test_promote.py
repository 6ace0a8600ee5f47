"""Only the better model takes the champion's place."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from ml.evaluate import Metrics
from ml.promote import Gain, decide, gain

CHAMPION = Metrics(
    rows=1000,
    positives=140,
    base_rate=0.14,
    auc=0.86,
    average_precision=0.46,
    log_loss=0.29,
    base_rate_log_loss=0.405,
    brier=0.09,
    ece_equal_count=0.01,
    ece_equal_width=0.01,
    lift_top_decile=3.8,
)


def _other(**changes: float) -> Metrics:
    return dataclasses.replace(CHAMPION, **changes)


def test_the_first_of_its_name_is_promoted():
    assert decide(CHAMPION, None).promoted


@pytest.mark.parametrize(
    ("auc", "gained", "promoted", "because"),
    [
        (0.86, Gain(0.01, 0.004), True, "lower by at least 0.0040"),
        (0.859, Gain(0.01, 0.004), True, "1000 rows"),
        (0.85, Gain(0.01, 0.004), False, "AUC 0.8500 is below"),
        (0.87, Gain(0.01, -0.001), False, "no more than chance"),
        (0.90, Gain(0.0, 0.0), False, "is not below the champion's 0.2900"),
    ],
)
def test_a_challenger_has_to_gain_more_than_chance_and_rank_no_worse(
    auc, gained, promoted, because
):
    decision = decide(_other(log_loss=0.28, auc=auc), CHAMPION, gained)
    assert decision.promoted is promoted
    assert because in decision.reason


def _models(rows: int, edge: float) -> tuple[NDArray[np.float64], ...]:
    """Return labels, the probabilities that made them, and these with an error of that size."""
    chance = np.random.default_rng(7)
    truth = chance.beta(1.0, 6.0, rows)
    labels = (chance.random(rows) < truth).astype(float)
    return labels, truth, np.clip(truth + chance.normal(0.0, edge, rows), 0.01, 0.99)


def test_a_gain_is_the_difference_of_the_log_losses_and_the_same_each_time():
    labels, better, worse = _models(2_000, 0.1)
    found = gain(labels, better, worse)
    assert found.mean == pytest.approx(log_loss(labels, worse) - log_loss(labels, better))
    assert 0.0 < found.at_least < found.mean
    assert found == gain(labels, better, worse)
    back = gain(labels, worse, better)
    assert back.mean == pytest.approx(-found.mean)
    assert back.at_least < back.mean < 0.0


def test_more_rows_tell_apart_what_few_do_not():
    assert gain(*_models(300, 0.01)).at_least < 0.0 < gain(*_models(60_000, 0.03)).at_least


def test_equal_models_gain_nothing():
    labels, same, _ = _models(200, 0.1)
    assert gain(labels, same, same) == Gain(0.0, 0.0)


def test_chance_alone_is_promoted_no_more_often_than_the_confidence_allows():
    promoted = 0
    for seed in range(200):
        chance = np.random.default_rng(seed)
        truth = chance.beta(1.0, 6.0, 400)
        labels = (chance.random(400) < truth).astype(float)
        one, other = (np.clip(truth + chance.normal(0.0, 0.05, 400), 0.01, 0.99) for _ in range(2))
        promoted += gain(labels, one, other).at_least > 0.0
    assert promoted <= 20  # 10 are expected; 20 or more come in one of a thousand times
