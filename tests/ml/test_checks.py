"""A planted leak, a shuffled label and the like are each refused with their own words."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.catalogue import MODEL_FEATURES
from ml.class_checks import auc_error, base_rate_as_before, calibrated
from ml.labels import CHURN
from ml.learn import Learnt, learn
from ml.split import WEEK, forward_folds, saturdays, split_by_time
from ml.train import Params, Sample
from tests.ml.samples import FIRST, SPLIT, snapshots

PARAMS = Params(most_rounds=60, patience=10)
PLANTED = "product_view_count_7d"  # 0 for everybody in the samples


def failed(learnt: Learnt) -> dict[str, str]:
    """Return the sentences of the checks that do not hold, by name."""
    return {check.name: check.detail for check in learnt.checks if not check.passed}


@pytest.fixture
def frame():
    return snapshots()


def test_an_honest_model_passes_every_check(frame):
    learnt = learn(frame, SPLIT, MODEL_FEATURES, PARAMS)
    assert failed(learnt) == {}
    assert len(learnt.checks) == len({check.name for check in learnt.checks}) == 11


@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_a_label_copied_into_a_feature_with_noise_is_found_by_name(frame, turn):
    noise = np.random.default_rng(3).normal(0.0, 0.3, len(frame))
    frame[PLANTED] = turn * frame["label"] + noise
    told = failed(learn(frame, SPLIT, MODEL_FEATURES, PARAMS))
    assert told["no_feature_knows_the_answer"].startswith(f"{PLANTED} alone has an AUC of 0.9")
    assert "not_too_good" in told


def test_a_feature_that_is_missing_where_the_label_is_true_is_found_by_name(frame):
    frame[PLANTED] = np.where(frame["label"] == 1.0, np.nan, 5.0)
    told = failed(learn(frame, SPLIT, MODEL_FEATURES, PARAMS))
    assert told["no_feature_knows_the_answer"].startswith(f"{PLANTED} alone has an AUC of 1.000")


def test_shuffled_labels_are_refused(frame):
    chance = np.random.default_rng(4)
    frame["label"] = frame.groupby("as_of")["label"].transform(chance.permutation)
    told = failed(learn(frame, SPLIT, MODEL_FEATURES, PARAMS))
    assert "do not belong together" in told["better_than_the_base_rate"]


def test_a_mean_of_the_labels_of_a_crowd_survives_the_shuffle_within_weeks():
    frame, chance = snapshots(customers=400), np.random.default_rng(8)
    weeks = frame["as_of"].rank(method="dense")
    frame["label"] = (chance.random(len(frame)) < 0.15 + 0.2 * (weeks % 4)).astype(float)
    crowds = frame.groupby(["as_of", frame.index % 80])["label"]
    told = failed(
        learn(frame.assign(**{PLANTED: crowds.transform("mean")}), SPLIT, MODEL_FEATURES, PARAMS)
    )
    assert list(told) == ["nothing_learnt_from_shuffled_labels"]
    assert "a feature tells the labels of its week" in told["nothing_learnt_from_shuffled_labels"]


def test_a_feature_with_one_value_in_99_of_100_rows_is_refused_where_it_is_read(frame):
    rare = np.random.default_rng(5).random(len(frame)) < 0.008
    frame[PLANTED] = rare.astype(float)
    frame.loc[rare, "label"] = 1.0
    params = dataclasses.replace(PARAMS, min_child_weight=1.0)
    told = failed(learn(frame, SPLIT, MODEL_FEATURES, params))
    assert told["no_feature_is_nearly_constant"].startswith(f"{PLANTED} has one value in 99.")


def test_what_hangs_on_the_seed_is_refused(frame):
    few = dataclasses.replace(PARAMS, most_rounds=3, column_share=0.03)
    told = failed(learn(frame, SPLIT, MODEL_FEATURES, few))
    assert "between 3 seeds: its quality is luck" in told["stable_over_seeds"]


def test_a_month_that_went_otherwise_is_named_though_the_newest_went_well():
    as_ofs = saturdays(FIRST, FIRST + 29 * WEEK)
    frame, split = snapshots(as_ofs, customers=400), split_by_time(as_ofs, CHURN.horizon)
    earliest, *later = forward_folds(split, CHURN.horizon)
    assert len(later) == 2
    odd = frame["as_of"].isin(list(earliest.validation))
    frame.loc[odd, "label"] = np.random.default_rng(9).permutation(frame.loc[odd, "label"])
    told = failed(learn(frame, split, MODEL_FEATURES, PARAMS))
    worst = {f"the AUC of {week.date()}" for week in earliest.validation}
    assert list(told) == ["stable_over_weeks"]
    assert told["stable_over_weeks"].partition(" is ")[0] in worst
    assert told["stable_over_weeks"].endswith("its quality depends on the week")


def test_another_world_is_noticed():
    def week(positives: int) -> Sample:
        labels = np.repeat([1.0, 0.0], [positives, 1000 - positives])
        return Sample(np.zeros((1000, 1)), labels, ("a",))

    assert base_rate_as_before(week(140), week(250)).passed
    assert not base_rate_as_before(week(140), week(330)).passed
    assert not base_rate_as_before(week(330), week(140)).passed


def test_what_chance_does_to_few_rows_is_no_miscalibration():
    chance = np.random.default_rng(6)
    for rows in (200, 5_000):
        truth = chance.beta(1.0, 6.0, rows)
        labels = (chance.random(rows) < truth).astype(float)
        assert calibrated(labels, truth).passed
        assert not calibrated(labels, np.clip(truth + 0.2, 0.0, 1.0)).passed


def test_the_error_of_an_auc_that_knows_nothing_is_what_chance_gives():
    chance = np.random.default_rng(7)
    labels = (chance.random(400) < 0.2).astype(float)
    found = [roc_auc_score(labels, chance.random(400)) for _ in range(400)]
    assert np.std(found) == pytest.approx(auc_error(labels), rel=0.15)
