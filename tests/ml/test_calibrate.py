"""Probabilities mean what they say, and ranks stay what they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ml.calibrate import Calibration, calibrate, fit_calibration
from ml.score import percentiles

seeds = some.integers(0, 2**32 - 1)


def _coins(seed: int, slope: float, intercept: float) -> tuple[np.ndarray, np.ndarray]:
    """Return margins, and labels drawn with the log-odds ``slope * margin + intercept``."""
    chance = np.random.default_rng(seed)
    margins = chance.normal(-1.0, 1.5, 20_000)
    truth = Calibration(slope, intercept).probabilities(margins)
    return margins, (chance.random(len(margins)) < truth).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, 0.7), (1.6, -1.0)])
def test_platts_two_numbers_are_found_again(slope, intercept):
    found = fit_calibration(*_coins(3, slope, intercept))
    assert found.slope == pytest.approx(slope, abs=0.08)
    assert found.intercept == pytest.approx(intercept, abs=0.08)


def test_margins_that_are_right_are_left_alone():
    assert calibrate(*_coins(5, 1.0, 0.0)) == Calibration(1.0, 0.0)


def test_margins_that_are_off_are_corrected():
    assert calibrate(*_coins(5, 0.4, 1.0)) != Calibration(1.0, 0.0)


@given(seed=seeds)
def test_calibration_keeps_the_order(seed):
    margins = np.sort(np.random.default_rng(seed).normal(0, 8, 50))
    probabilities = Calibration(0.8, -0.3).probabilities(margins)
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@given(some.lists(some.floats(0, 1), min_size=1, max_size=60))
def test_percentiles_follow_the_order_and_balance_at_fifty(numbers):
    probabilities = np.array(numbers)
    found = percentiles(probabilities)
    assert ((found > 0) & (found < 100)).all()
    assert found.mean() == pytest.approx(50.0)
    order = np.argsort(probabilities, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
