"""Drift is nothing for the same rows, seldom where nothing moved, and found where something did."""

import doctest
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import ks_2samp

from ml import drift as module
from ml import evaluate, features, score, split
from ml.drift import (
    LEVEL,
    PROBABILITY,
    Distribution,
    LabelDrift,
    Reference,
    compare,
    ks,
    ks_p_value,
    label_drift,
    model_reading,
    psi,
    reference,
)
from ml.errors import TooFewRows

CUSTOMERS, WEEKS, FEATURES = 300, 6, 12
NAMES = tuple(f"f{number}" for number in range(FEATURES))
seeds = some.integers(0, 2**32 - 1)


def shop(chance, *, customers=CUSTOMERS):
    """Return a snapshot: counts, amounts and gaps, some missing."""
    values = chance.gamma(2.0, 3.0, (customers, FEATURES))
    values[:, ::3] = np.floor(values[:, ::3])
    values[:, 1] = np.where(values[:, 1] < 2.0, np.nan, values[:, 1])
    return values


def known(chance):
    """Return a model's reference, of weeks in which no customer changes at all."""
    return reference(
        np.tile(shop(chance), (WEEKS, 1)),
        NAMES,
        snapshots=WEEKS,
        predictions=chance.beta(2.0, 5.0, CUSTOMERS),
        shap_values=chance.normal(0.0, 1.0, (50, FEATURES)),
    )


def counted(of, values, probabilities=None):
    columns = dict(zip(NAMES, values.T, strict=True))
    if probabilities is not None:
        columns[PROBABILITY] = probabilities
    return {name: of.counts(name, column) for name, column in columns.items()}


@pytest.mark.parametrize("documented", [module, evaluate, features, score, split])
def test_the_examples_in_the_docstrings_are_true(documented):
    results = doctest.testmod(documented)
    assert results.attempted > 0
    assert results.failed == 0


@given(seed=seeds, decimals=some.integers(0, 3))
def test_ks_is_that_of_scipy_to_a_hundredth_and_never_above_it(seed, decimals):
    chance = np.random.default_rng(seed)
    then = chance.normal(0, 1, 400).round(decimals)
    now = chance.normal(0.3, 1, 120).round(decimals)
    before = Distribution.of(then)
    cells = Reference(1, {"a": before}, {}).counts("a", now)
    exact = ks_2samp(then, now, method="asymp")
    distance = ks(before.counts, cells)
    assert exact.statistic - 0.01 <= distance <= exact.statistic + 1e-12
    if len(set(then)) == len(before.edges):
        assert distance == pytest.approx(exact.statistic)
        assert ks_p_value(distance, 400, 120) == pytest.approx(exact.pvalue)


@given(seed=seeds)
def test_psi_is_zero_for_the_same_and_grows_with_the_shift(seed):
    then = np.random.default_rng(seed).normal(0, 1, 500)
    of = Reference(500, {"a": Distribution.of(then)}, {})
    before = of.distributions["a"].counts
    found = [psi(before, of.counts("a", then + shift)) for shift in (0.0, 0.5, 1.5)]
    assert found[0] == 0.0
    assert found == sorted(found)


def test_values_that_are_nearly_all_the_same_or_gone_still_drift():
    mostly = np.where(np.arange(1000) < 950, 0.0, 7.0)
    of = Reference(1000, {"a": Distribution.of(mostly)}, {})
    for now in (np.full(200, 7.0), np.full(200, -1.0), np.full(200, np.nan)):
        (row,) = compare(of, {"a": of.counts("a", now)})
        assert row.reading == "shifted"
    gone = Reference(1000, {"a": Distribution.of(np.full(1000, np.nan))}, {})
    (row,) = compare(gone, {"a": gone.counts("a", mostly)})
    assert (row.reading, row.missing_then, row.missing_now) == ("shifted", 1.0, 0.0)


def test_a_steady_shop_raises_an_alarm_no_oftener_than_the_level_says():
    """However alike the weeks of the reference are; PSI's floor is put aside."""
    chance, alarms, rounds = np.random.default_rng(7), 0, 600
    for _ in range(rounds):
        of = known(chance)
        found = compare(of, counted(of, shop(chance), chance.beta(2.0, 5.0, CUSTOMERS)))
        alarms += any(row.p_value <= LEVEL for row in found)
    spread = np.sqrt(LEVEL * (1 - LEVEL) / rounds)
    assert alarms / rounds <= LEVEL + 3 * spread


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_the_feature_that_moved_is_found_and_no_other(moved):
    chance = np.random.default_rng(moved)
    of = known(chance)
    now = shop(chance)
    now[:, moved] *= 2.0
    first, *others = compare(of, counted(of, now, chance.beta(2.0, 5.0, CUSTOMERS)))
    assert (first.feature, first.reading) == (NAMES[moved], "shifted")
    assert {row.reading for row in others} == {"steady"}


def test_among_many_customers_a_significant_trifle_is_steady():
    then = np.random.default_rng(1).normal(0, 1, 200_000)
    of = Reference(200_000, {"a": Distribution.of(then)}, {})
    (row,) = compare(of, {"a": of.counts("a", then + 0.05)})
    assert row.p_value < 1e-6
    assert row.reading == "steady"


def test_counts_of_parts_add_up_and_a_reference_is_stored_as_it_is():
    chance = np.random.default_rng(3)
    of, now = known(chance), shop(chance)
    again = Reference.from_dict(json.loads(json.dumps(of.as_dict())))
    first, rest = counted(again, now[:100]), counted(again, now[100:])
    assert compare(again, {name: first[name] + rest[name] for name in first}) == compare(
        of, counted(of, now)
    )
    assert sum(of.importance.values()) == pytest.approx(1.0)
    assert of.customers == CUSTOMERS
    assert max(len(one.edges) for one in of.distributions.values()) <= 99


def test_a_handful_of_rows_cannot_drift():
    chance = np.random.default_rng(4)
    of = known(chance)
    with pytest.raises(TooFewRows, match="300 and 49 rows are too few to compare f0"):
        compare(of, counted(of, shop(chance, customers=49)))
    with pytest.raises(TooFewRows, match="49 labels"):
        label_drift(np.ones(49), np.full(49, 0.5))


@given(seed=seeds)
def test_labels_as_predicted_are_steady_and_others_are_not(seed):
    chance = np.random.default_rng(seed)
    predicted = chance.beta(2.0, 5.0, 2000)
    happened = (chance.random(2000) < predicted).astype(float)
    assert label_drift(happened, predicted).reading == "steady"
    oftener = label_drift((chance.random(2000) < predicted * 1.5).astype(float), predicted)
    assert oftener.reading in ("moved", "shifted")
    assert oftener.odds_ratio > 1.25
    assert oftener.auc is not None
    assert 0.5 < oftener.auc < 1.0


def test_a_model_has_shifted_with_its_score_its_labels_or_a_quarter_of_what_it_rests_on():
    chance = np.random.default_rng(5)
    of = known(chance)
    given = chance.beta(2.0, 5.0, CUSTOMERS)
    now = shop(chance)
    assert model_reading(of, compare(of, counted(of, now, given)), None) == "steady"
    assert model_reading(of, compare(of, counted(of, now, given**3)), None) == "shifted"
    apart = LabelDrift(500, 0.1, 0.2, 2.25, 1e-9, 0.8)
    assert model_reading(of, compare(of, counted(of, now, given)), apart) == "shifted"
    now[:, 0] *= 2.0
    assert of.importance["f0"] < 0.25
    assert model_reading(of, compare(of, counted(of, now, given)), None) == "moved"
    now[:, :6] *= 2.0
    assert model_reading(of, compare(of, counted(of, now, given)), None) == "shifted"
