"""Customers learnt by heart do not pass for customers understood."""

import numpy as np
import pytest

from ml.catalogue import MODEL_FEATURES
from ml.class_checks import UNSEEN_AUC
from ml.learn import learn
from ml.train import Params
from tests.ml.samples import SPLIT, snapshots

PARAMS = Params(most_rounds=60, patience=10)
PLANTED = "product_view_count_7d"  # 0 for everybody in the samples


def with_names(frame, *, loyal: bool):
    """Plant a number that is a customer's own, and loyalty that no other feature tells of."""
    chance = np.random.default_rng(6)
    customers = sorted(set(frame["customer_id"]))
    own = dict(zip(customers, chance.permutation(len(customers)).astype(float), strict=True))
    frame[PLANTED] = frame["customer_id"].map(own)
    if loyal:
        leaves = dict(zip(customers, chance.choice([0.05, 0.95], len(customers)), strict=True))
        rates = frame["customer_id"].map(leaves)
        frame["label"] = (chance.random(len(frame)) < rates).astype(float)
    return frame


def verdict(learnt):
    return {check.name: check for check in learnt.checks}["as_good_for_unseen_customers"]


def test_a_customers_own_number_says_nothing_of_the_holdout_where_labels_know_no_customer():
    plain = learn(snapshots(), SPLIT, MODEL_FEATURES, PARAMS)
    named = learn(with_names(snapshots(), loyal=False), SPLIT, MODEL_FEATURES, PARAMS)
    assert named.metrics.auc == pytest.approx(plain.metrics.auc, abs=UNSEEN_AUC)
    assert verdict(plain).passed
    assert verdict(named).passed


def test_customers_learnt_by_heart_are_found_though_the_holdout_looks_good():
    learnt = learn(
        with_names(snapshots(), loyal=True),
        SPLIT,
        MODEL_FEATURES,
        Params(most_rounds=200, patience=50, max_depth=6, min_child_weight=1.0, column_share=1.0),
    )
    assert learnt.metrics.auc > 0.7
    assert learnt.unseen.auc < 0.6
    assert not verdict(learnt).passed
    assert "by heart" in verdict(learnt).detail
