"""A margin is its base value and its parts, and words follow the numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from ml.catalogue import FEATURES, MODEL_FEATURES
from ml.errors import NotAdditive
from ml.explain import TOLERANCE, Contributions, check_additive, contributions
from ml.features import BY_NAME, fingerprints
from ml.labels import CHURN, PURCHASE
from ml.learn import sample
from ml.plots import import_shap
from ml.reasons import PHRASES, reasons
from ml.train import Params, fit
from tests.ml.samples import SPLIT, snapshots

MANY = len(MODEL_FEATURES)
values = some.one_of(some.just(np.nan), some.floats(-1e6, 1e6))


@pytest.fixture(scope="module")
def booster():
    return fit(sample(snapshots(), SPLIT.fitted, MODEL_FEATURES), Params(), rounds=40)


@settings(deadline=None)
@given(rows=arrays(np.float64, (7, len(MODEL_FEATURES)), elements=values))
def test_shap_values_and_base_value_sum_to_the_margin(booster, rows):
    found = contributions(booster, rows, MODEL_FEATURES)
    sums = found.base_value + found.shap_values.sum(axis=1)
    assert np.abs(sums - found.margins).max() <= TOLERANCE


def test_they_are_those_of_the_shap_library(booster):
    rows = sample(snapshots(), [SPLIT.holdout], MODEL_FEATURES).values
    shap = import_shap()
    theirs = shap.TreeExplainer(booster).shap_values(rows)
    assert np.abs(contributions(booster, rows, MODEL_FEATURES).shap_values - theirs).max() < 1e-5


@pytest.mark.parametrize("wrong", [2 * TOLERANCE, -1.0, np.nan])
def test_a_row_that_does_not_add_up_is_named(wrong):
    parts = np.array([[0.5, -0.25], [0.5 + wrong, -0.25]])
    with pytest.raises(NotAdditive, match="row 1:"):
        check_additive(Contributions(np.array([1.25, 1.25]), 1.0, parts))


def test_every_feature_has_a_theme_with_a_phrase_and_its_own_name():
    assert len(BY_NAME) == len(FEATURES)
    assert {feature.theme for feature in FEATURES} == set(PHRASES)
    assert all(feature.description.endswith(".") for feature in FEATURES)


@given(
    parts=some.lists(some.floats(-3, 3), min_size=MANY, max_size=MANY),
    known=some.lists(
        some.one_of(some.none(), some.floats(0, 1e5)),
        min_size=len(MODEL_FEATURES),
        max_size=len(MODEL_FEATURES),
    ),
    label=some.sampled_from([CHURN, PURCHASE]),
)
def test_any_customer_gets_at_most_three_reasons_the_strongest_first(parts, known, label):
    found = reasons(
        label,
        dict(zip(MODEL_FEATURES, parts, strict=True)),
        dict(zip(MODEL_FEATURES, known, strict=True)),
    )
    assert len(found) <= 3
    strengths = [abs(reason.contribution) for reason in found]
    assert strengths == sorted(strengths, reverse=True)
    assert all(
        reason.text and (reason.effect == label.more) == (reason.contribution > 0)
        for reason in found
    )
    assert len({reason.theme for reason in found}) == len(found)


def test_reasons_speak_of_the_customers_own_rhythm():
    nothing = dict.fromkeys(MODEL_FEATURES, 0.0)
    known = nothing | {
        "days_since_last_order": 41.3,
        "mean_gap_days": 8.9,
    }
    parts = nothing | {
        "days_since_last_order": 0.6,
        "recency_to_mean_gap": 0.5,
    }
    (reason,) = reasons(CHURN, parts, known)
    assert (reason.effect, reason.text) == (
        "more likely to leave",
        "last order 41 days ago, usually every 9 days",
    )
    assert reason.contribution == pytest.approx(1.1)


def test_somebody_who_never_ordered_is_told_so():
    nothing = dict.fromkeys(MODEL_FEATURES)
    (reason,) = reasons(PURCHASE, {"days_since_last_order": -1.0}, nothing)
    assert (reason.effect, reason.text) == ("less likely to buy", "has never ordered")


@given(rows=arrays(np.float64, (3, 2), elements=values))
def test_a_fingerprint_is_equal_for_equal_values_only(rows):
    found = fingerprints(rows, ("a", "b"))
    assert found == fingerprints(rows.copy(), ("a", "b"))
    assert found[0] != fingerprints(rows, ("a", "c"))[0]
    same = np.array_equal(rows[0], rows[1], equal_nan=True)
    assert (found[0] == found[1]) == same
