"""The same rows and seed give the same bytes, and what learns beats what does not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ml.catalogue import MODEL_FEATURES
from ml.errors import TooFewRows
from ml.explain import margins
from ml.learn import LOGISTIC, frame_sha256, learn, sample
from ml.train import Params, Sample, fit, from_bytes, sha256, to_bytes
from tests.ml.samples import SPLIT, snapshots

PARAMS = Params(most_rounds=60, patience=10)


@pytest.fixture(scope="module")
def frame():
    return snapshots()


@pytest.fixture(scope="module")
def learnt(frame):
    return learn(frame, SPLIT, MODEL_FEATURES, PARAMS)


def test_the_same_rows_and_seed_give_the_same_bytes(frame, learnt):
    again = learn(frame, SPLIT, MODEL_FEATURES, PARAMS)
    assert again.artefact == learnt.artefact
    assert again.sha256 == sha256(learnt.artefact)
    assert again.metrics == learnt.metrics


def test_another_seed_gives_another_model(frame, learnt):
    other = learn(frame, SPLIT, MODEL_FEATURES, dataclasses.replace(PARAMS, seed=7))
    assert other.sha256 != learnt.sha256


def test_the_artefact_is_the_model_that_was_measured(learnt):
    booster = from_bytes(learnt.artefact)
    found = margins(booster, learnt.holdout.values, MODEL_FEATURES)
    assert np.array_equal(learnt.calibration.probabilities(found), learnt.probabilities)
    assert to_bytes(booster) == learnt.artefact


def test_a_signal_is_learnt_better_than_the_base_rate(learnt):
    assert learnt.metrics.log_loss < learnt.metrics.base_rate_log_loss
    assert learnt.metrics.auc > 0.7
    assert learnt.baselines[LOGISTIC].auc > 0.7


def test_labels_of_the_holdout_change_the_metrics_and_not_the_model(frame, learnt):
    turned = frame.copy()
    holdout = turned["as_of"] == SPLIT.holdout
    turned.loc[holdout, "label"] = 1.0 - turned.loc[holdout, "label"]
    other = learn(turned, SPLIT, MODEL_FEATURES, PARAMS)
    assert other.sha256 == learnt.sha256
    assert other.metrics != learnt.metrics


def test_rows_after_the_holdout_change_nothing(frame, learnt):
    later = snapshots([SPLIT.holdout.replace(year=2019)], seed=9)
    assert learn(pd.concat([frame, later]), SPLIT, MODEL_FEATURES, PARAMS).sha256 == learnt.sha256


def test_one_changed_value_changes_the_hash_of_the_rows(frame):
    other = frame.copy()
    other.loc[0, "order_count_7d"] = 1.0
    assert frame_sha256(frame, MODEL_FEATURES) == frame_sha256(frame.copy(), MODEL_FEATURES)
    assert frame_sha256(other, MODEL_FEATURES) != frame_sha256(frame, MODEL_FEATURES)


def test_one_class_is_not_enough_to_learn_from(frame):
    whole = sample(frame, SPLIT.train, MODEL_FEATURES)
    with pytest.raises(TooFewRows, match=f"{len(whole.labels)} rows, 0 of them positives"):
        fit(Sample(whole.values, np.zeros_like(whole.labels), MODEL_FEATURES), PARAMS, rounds=3)
