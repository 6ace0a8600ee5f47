"""The same rows and seed give the same bytes, and what learns beats what does not."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.catalogue import MODEL_FEATURES
from ml.errors import NoGpu, TooFewRows
from ml.evaluate import equal_count_bins, expected_calibration_error
from ml.explain import margins
from ml.kinds import LOGISTIC
from ml.learn import learn, sample
from ml.rows import rows_of
from ml.train import Params, Sample, find_rounds, fit, from_bytes, sha256, to_bytes
from tests.ml.samples import SPLIT, snapshots

PARAMS = Params(most_rounds=60, patience=10)
ROOT = Path(__file__).parents[2]
TRAIN = """
from ml.catalogue import MODEL_FEATURES
from ml.learn import sample
from ml.train import Params, fit, sha256, to_bytes
from tests.ml.samples import SPLIT, snapshots
print(sha256(to_bytes(fit(sample(snapshots(), SPLIT.fitted, MODEL_FEATURES), Params(), rounds=60))))
"""


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


def test_another_process_with_other_hashes_and_threads_gives_the_same_bytes(frame):
    here = to_bytes(fit(sample(frame, SPLIT.fitted, MODEL_FEATURES), Params(), rounds=60))
    other = {"PYTHONHASHSEED": "4711", "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    there = subprocess.run(
        [sys.executable, "-c", TRAIN], env={**os.environ, **other}, capture_output=True, text=True
    )
    assert there.stdout.strip() == sha256(here), there.stderr


def test_from_a_file_comes_the_same_model_though_every_part_is_more_than_two_batches(tmp_path):
    frame = snapshots(customers=1_500)
    read = frame[frame["as_of"].isin(SPLIT.all)]
    near, stored = (
        rows_of([read], MODEL_FEATURES, folder=folder, batch_rows=700)
        for folder in (None, tmp_path)
    )
    for part in (SPLIT.train, SPLIT.validation, [SPLIT.holdout]):
        assert stored.sample(part).in_file
        assert len(stored.sample(part).labels) > 2 * 700
    few = dataclasses.replace(PARAMS, most_rounds=25)
    own, other = (learn(rows, SPLIT, MODEL_FEATURES, few) for rows in (near, stored))
    assert other.artefact == own.artefact
    assert other.calibration == own.calibration
    assert other.metrics == own.metrics
    assert np.array_equal(other.predictions, own.predictions)
    assert other.frame_sha256 == own.frame_sha256
    assert [path.name for path in tmp_path.iterdir()] == ["values.f64"]


@pytest.mark.parametrize(("feature", "sign"), [("order_count_90d", 1), ("net_revenue_90d", -1)])
def test_a_prediction_is_monotone_in_a_constrained_feature(frame, feature, sign):
    fitted = sample(frame, SPLIT.fitted, MODEL_FEATURES)
    column = MODEL_FEATURES.index(feature)
    chance = np.random.default_rng(8)
    rows = chance.permuted(fitted.values, axis=0)[:200]
    steps = np.quantile(fitted.values[:, column], np.linspace(0.0, 1.0, 20))

    def against(params):
        booster, before, worst = fit(fitted, params, rounds=60), None, 0.0
        for value in steps:
            rows[:, column] = value
            now = margins(booster, rows, MODEL_FEATURES)
            worst = max(worst, 0.0 if before is None else float((sign * (before - now)).max()))
            before = now
        return worst

    assert against(dataclasses.replace(PARAMS, monotone=((feature, sign),))) == 0.0
    assert against(PARAMS) > 0.05


def test_rare_positives_keep_their_probabilities():
    chance = np.random.default_rng(9)
    values = chance.normal(size=(60_000, len(MODEL_FEATURES)))
    rates = 1.0 / (1.0 + np.exp(4.6 - 1.2 * values[:, 0]))
    labels = (chance.random(len(rates)) < rates).astype(float)
    assert 0.015 < labels.mean() < 0.025
    train, validation, holdout = (
        Sample(values[part::3], labels[part::3], MODEL_FEATURES) for part in range(3)
    )
    rounds = find_rounds(train, validation, Params()).rounds
    found = margins(fit(train, Params(), rounds=rounds), holdout.values, MODEL_FEATURES)
    probabilities = 1.0 / (1.0 + np.exp(-found))
    bins = equal_count_bins(holdout.labels, probabilities)
    assert expected_calibration_error(bins) < 0.004
    assert bins[-1].predicted == pytest.approx(bins[-1].observed, rel=0.2)


def test_another_seed_gives_another_model(frame, learnt):
    other = learn(frame, SPLIT, MODEL_FEATURES, dataclasses.replace(PARAMS, seed=7))
    assert other.sha256 != learnt.sha256


def test_the_artefact_is_the_model_that_was_measured(learnt):
    booster = from_bytes(learnt.artefact)
    found = margins(booster, learnt.holdout.values, MODEL_FEATURES)
    assert np.array_equal(learnt.calibration.probabilities(found), learnt.predictions)
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


def test_one_class_is_not_enough_to_learn_from(frame):
    whole = sample(frame, SPLIT.train, MODEL_FEATURES)
    with pytest.raises(TooFewRows, match=f"{len(whole.labels)} rows, 0 of them positives"):
        fit(Sample(whole.values, np.zeros_like(whole.labels), MODEL_FEATURES), PARAMS, rounds=3)


def test_a_gpu_that_is_not_there_is_not_replaced_in_silence(frame):
    fitted = sample(frame, SPLIT.fitted, MODEL_FEATURES)
    with pytest.raises(NoGpu, match="FOOTFALL_DEVICE=cpu"):
        fit(fitted, dataclasses.replace(PARAMS, device="cuda"), rounds=3)
