"""Pairs of features are named by what they add together, and stumps add nothing together."""

import dataclasses

import numpy as np

from ml.explain import contributions
from ml.interactions import strongest_interactions
from ml.train import Params, Sample, fit

NAMES = ("a", "b", "c")


def crossed() -> Sample:
    """Return rows whose label is a xor b; c says nothing."""
    chance = np.random.default_rng(1)
    values = chance.normal(size=(1_500, 3))
    wrong = chance.random(1_500) < 0.1
    return Sample(values, ((values[:, 0] * values[:, 1] > 0) ^ wrong).astype(float), NAMES)


def test_the_pair_that_decides_is_first_and_its_parts_are_of_the_margin():
    sample = crossed()
    booster = fit(sample, Params(column_share=1.0), rounds=60)
    found = strongest_interactions(booster, sample, rows=300)
    assert {found[0].first, found[0].second} == {"a", "b"}
    assert found[0].strength > 5 * found[1].strength
    assert len(found[0].joint) == 300
    same = (found[0].first_values * found[0].second_values) > 0
    assert found[0].joint[same].mean() > 0 > found[0].joint[~same].mean()
    everyone = strongest_interactions(booster, sample, rows=len(sample.labels))
    parts = contributions(booster, sample.values, NAMES)
    assert 0.0 < everyone[0].share < 1.0
    assert everyone[0].strength <= np.abs(parts.shap_values).sum(axis=1).max()


def test_stumps_have_no_interactions():
    stumps = dataclasses.replace(Params(), max_depth=1)
    assert strongest_interactions(fit(crossed(), stumps, rounds=20), crossed(), rows=100) == []
