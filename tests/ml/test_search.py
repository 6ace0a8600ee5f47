"""A search is judged forward in time, gives up early, and finds the same again."""

import pytest

from ml.catalogue import MODEL_FEATURES
from ml.labels import CHURN, PURCHASE
from ml.rows import rows_of
from ml.search import Budget, search
from ml.split import FOLDS, forward_folds, split_by_time
from ml.train import Params, find_rounds
from tests.ml.samples import SNAPSHOTS, SPLIT, snapshots

PARAMS = Params(most_rounds=40, patience=5)
BUDGET = Budget(16)
HORIZON = PURCHASE.horizon
FORWARD = forward_folds(split_by_time(SNAPSHOTS, HORIZON), HORIZON)


@pytest.fixture(scope="module")
def folds():
    rows = rows_of([snapshots()], MODEL_FEATURES)
    return [(rows.sample(fold.train), rows.sample(fold.validation)) for fold in FORWARD]


@pytest.fixture(scope="module")
def found(folds):
    return search(folds, PARAMS, BUDGET)


def test_folds_go_forward_in_time_with_a_gap_and_end_before_the_holdout():
    split = split_by_time(SNAPSHOTS, HORIZON)
    assert len(FORWARD) == FOLDS
    assert (FORWARD[-1].train, FORWARD[-1].validation) == (split.train, split.validation)
    for fold in FORWARD:
        assert fold.train[-1] + HORIZON <= fold.validation[0]
        assert fold.validation[-1] + HORIZON <= split.holdout
    for before, after in zip(FORWARD, FORWARD[1:], strict=False):
        assert before.validation[-1] < after.validation[0]
        assert set(before.train) < set(after.train)


def test_a_short_history_has_the_one_fold_of_its_split():
    (only,) = forward_folds(SPLIT, CHURN.horizon)
    assert (only.train, only.validation) == (SPLIT.train, SPLIT.validation)


def test_the_first_trial_is_the_parameters_as_they_are_and_the_best_is_no_worse(folds, found):
    first = found.trials[0]
    assert first.params.items() <= PARAMS.as_dict().items()
    losses = [find_rounds(train, validation, PARAMS).loss for train, validation in folds]
    assert first.loss == pytest.approx(sum(losses) / len(losses), abs=1e-12)
    assert found.loss == min(trial.loss for trial in found.trials if trial.loss) <= first.loss


def test_the_parameters_found_are_those_of_the_best_trial_and_nothing_else_changes(found):
    best = min((trial for trial in found.trials if trial.loss), key=lambda trial: trial.loss)
    assert {name: getattr(found.params, name) for name in best.params} == best.params
    assert found.params.seed == PARAMS.seed
    assert found.params.most_rounds == PARAMS.most_rounds


def test_what_is_worse_than_the_median_is_given_up_early(found):
    assert len(found.trials) == BUDGET.trials
    given_up = [trial for trial in found.trials if trial.loss is None]
    assert given_up
    assert all(trial.folds < FOLDS for trial in given_up)
    assert all(trial.folds == FOLDS for trial in found.trials if trial.loss is not None)


def test_the_same_rows_and_trials_find_the_same(folds, found):
    told = []
    again = search(folds, PARAMS, BUDGET, on_trial=told.append)
    assert again == found
    assert told == list(range(1, BUDGET.trials + 1))


def test_no_trial_begins_after_the_last_second(folds):
    assert len(search(folds, PARAMS, Budget(1000, seconds=0.01)).trials) == 1


def test_the_record_holds_every_trial(found):
    record = found.as_dict()
    assert len(record["tried"]) == BUDGET.trials
    first = dict(zip(record["columns"], record["tried"][0], strict=True))
    assert first["max_depth"] == PARAMS.max_depth
    assert min(row[0] for row in record["tried"] if row[0]) == record["loss"] == found.loss
