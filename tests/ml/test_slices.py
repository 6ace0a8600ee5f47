"""A part that is served worse is refused, what chance does to it is not, and few are not judged."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ml.catalogue import MODEL_FEATURES, SEGMENT, TRAIT
from ml.checks import no_slice_is_worse
from ml.errors import TraitLearnt
from ml.learn import learn
from ml.slices import auc_moments, groups, slices, told
from ml.train import Params, Sample, from_bytes
from tests.ml.samples import SPLIT, snapshots

PARAMS = Params(most_rounds=30, patience=10)
TOWNS = np.array(["Ulm", "Kiel"])


def week(rows: int = 3_000, seed: int = 1) -> tuple[Sample, np.ndarray, pd.DataFrame]:
    """Return a holdout whose probabilities are right, and who lives where."""
    chance = np.random.default_rng(seed)
    truth = chance.beta(1.0, 3.0, rows)
    labels = (chance.random(rows) < truth).astype(float)
    values = np.column_stack([chance.integers(0, 20, rows), chance.random((rows, 2))])
    names = ("order_count_90d", "days_since_last_order", "net_revenue_90d")
    towns = TOWNS[chance.integers(0, 2, rows)]
    return Sample(values, labels, names), truth, pd.DataFrame({TRAIT + "town": towns})


@pytest.mark.parametrize("seed", range(5))
def test_right_probabilities_serve_every_slice(seed):
    holdout, truth, factors = week(seed=seed)
    assert no_slice_is_worse(slices(holdout, factors, truth)).passed


def test_a_town_that_is_overestimated_is_named():
    holdout, truth, factors = week()
    ulm = (factors[TRAIT + "town"] == "Ulm").to_numpy()
    check = no_slice_is_worse(
        slices(holdout, factors, np.where(ulm, np.minimum(truth + 0.2, 1.0), truth))
    )
    assert not check.passed
    assert "mean error of town 'Ulm'" in check.detail
    assert "served worse" in check.detail


def test_a_segment_that_is_overestimated_is_named_and_is_no_declared_trait():
    holdout, truth, _ = week()
    picked = np.random.default_rng(5).choice(["loyal", "lost", None], len(truth))
    high = np.where(picked == "lost", np.minimum(truth + 0.2, 1.0), truth)
    found = slices(holdout, pd.DataFrame({SEGMENT: picked}), high)
    check = no_slice_is_worse(found)
    assert not check.passed
    assert "mean error of Segment 'lost'" in check.detail
    own = [part for part in found if part.factor == "Segment"]
    assert [part.name for part in own] == ["lost", "loyal", "no order yet"]
    assert not any(part.sensitive for part in own)
    assert sum(part.rows for part in own) == len(truth)


def test_a_town_that_is_ranked_by_nothing_is_named():
    holdout, truth, factors = week()
    ulm = (factors[TRAIT + "town"] == "Ulm").to_numpy()
    shuffled = truth.copy()
    shuffled[ulm] = np.random.default_rng(2).permutation(truth[ulm])
    check = no_slice_is_worse(slices(holdout, factors, shuffled))
    assert not check.passed
    assert "AUC's shortfall of town 'Ulm'" in check.detail


def test_customers_who_are_alike_are_no_worse_for_it():
    holdout, truth, factors = week()
    alike = (factors[TRAIT + "town"] == "Ulm").to_numpy()
    truth = np.where(alike, 0.2 + 0.02 * truth, truth)
    labels = (np.random.default_rng(4).random(len(truth)) < truth).astype(float)
    found = slices(dataclasses.replace(holdout, labels=labels), factors, truth)
    (ulm,) = [part for part in found if part.name == "Ulm"]
    assert ulm.metrics.auc < 0.6
    assert ulm.verdict == "within bounds"


def test_few_customers_are_said_and_not_judged():
    holdout, truth, factors = week(rows=150)
    factors[TRAIT + "town"] = np.where(np.arange(150) < 20, "Ulm", None)
    found = slices(holdout, factors, np.clip(truth + 0.5, 0.0, 1.0))
    (few,) = [part for part in found if part.name == "all other values"]
    assert (few.rows, few.metrics, few.base_rate) == (20, None, None)
    assert few.verdict == "too few to judge"
    assert "town: all other values (20)" in told(found)
    nobody = no_slice_is_worse([few])
    assert nobody.passed
    assert "none of 1 slices" in nobody.detail


def test_each_factor_holds_every_customer_once():
    holdout, _, factors = week()
    factors["days_since_first_seen"] = np.linspace(1.0, 400.0, len(factors))
    factors["mobile_share_90d"] = np.where(np.arange(len(factors)) % 3, 0.8, np.nan)
    factors[TRAIT + "age"] = [str(18 + row % 60) for row in range(len(factors))]
    found = groups(holdout, factors)
    by_factor = pd.Series([part.inside for part in found], [part.factor for part in found])
    counted = by_factor.groupby(level=0).apply(lambda parts: np.sum(list(parts), axis=0).tolist())
    assert set(by_factor.index) > {"town", "age", "Device in 90 days", "Known to the shop"}
    assert all(set(count) == {1} for count in counted)
    assert sum(part.factor == "age" for part in found) == 4


def test_the_promised_auc_is_what_right_probabilities_reach():
    mean, deviation = auc_moments(np.full(400, 0.3), np.arange(400.0))
    assert mean == pytest.approx(0.5, abs=0.01)
    assert deviation == pytest.approx(0.0315, rel=0.15)


def test_a_declared_trait_is_sliced_by_and_never_learnt_from():
    frame = snapshots(customers=200)
    told_all = frame.assign(**{TRAIT + "secret": np.where(frame["label"] == 1.0, "yes", "no")})
    plain, declared = (learn(each, SPLIT, MODEL_FEATURES, PARAMS) for each in (frame, told_all))
    assert declared.artefact == plain.artefact
    assert from_bytes(declared.artefact).feature_names == list(MODEL_FEATURES)
    assert not any(name.startswith(TRAIT) for name in declared.holdout.names)
    assert {part.factor for part in declared.slices} - {part.factor for part in plain.slices} == {
        "secret"
    }
    with pytest.raises(TraitLearnt, match="'secret' is declared sensitive"):
        learn(told_all, SPLIT, (*MODEL_FEATURES, TRAIT + "secret"), PARAMS)
