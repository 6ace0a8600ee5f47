"""Drift is nothing for the same sample and grows with the distance."""

import doctest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import ks_2samp

from ml import drift as module
from ml import evaluate, features, score, split
from ml.drift import drift, ks, psi
from ml.errors import TooFewRows

seeds = some.integers(0, 2**32 - 1)


@pytest.mark.parametrize("documented", [module, evaluate, features, score, split])
def test_the_examples_in_the_docstrings_are_true(documented):
    results = doctest.testmod(documented)
    assert results.attempted > 0
    assert results.failed == 0


@given(seed=seeds, shift=some.floats(0, 3))
def test_psi_is_zero_only_for_the_same_and_never_negative(seed, shift):
    then = np.random.default_rng(seed).normal(0, 1, 300)
    assert psi(then, then) == 0.0
    assert psi(then, then + shift) >= 0.0


@given(seed=seeds)
def test_psi_grows_with_the_shift(seed):
    then = np.random.default_rng(seed).normal(0, 1, 500)
    found = [psi(then, then + shift) for shift in (0.0, 0.5, 1.5)]
    assert found == sorted(found)


@given(seed=seeds)
def test_ks_is_that_of_scipy(seed):
    chance = np.random.default_rng(seed)
    then, now = chance.normal(0, 1, 80).round(1), chance.normal(0.3, 1, 120).round(1)
    assert ks(then, now) == pytest.approx(ks_2samp(then, now).statistic)


def test_the_most_moved_feature_comes_first_and_missing_values_are_counted_apart():
    chance = np.random.default_rng(1)
    then = pd.DataFrame({name: chance.normal(0, 1, 400) for name in ("calm", "wild", "gone")})
    now = then.assign(wild=then["wild"] + 2, gone=np.nan)
    rows = drift(then, now)
    assert [(row.feature, row.reading) for row in rows] == [
        ("wild", "shifted"),
        ("calm", "steady"),
        ("gone", "too few values"),
    ]
    assert (rows[2].missing_then, rows[2].missing_now) == (0.0, 1.0)


def test_a_handful_of_rows_cannot_drift():
    few = pd.DataFrame({"a": np.arange(49.0)})
    with pytest.raises(TooFewRows, match="49 and 49 rows"):
        drift(few, few)
    with pytest.raises(TooFewRows, match="9 and 9 values"):
        psi(np.arange(9.0), np.arange(9.0))
