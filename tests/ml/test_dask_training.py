"""A Dask cluster grows trees like those of one process, from rows in memory and in a file."""

import dataclasses

import numpy as np
import pytest
from distributed import LocalCluster

from ml.catalogue import MODEL_FEATURES
from ml.errors import NoCluster
from ml.explain import contributions, margins
from ml.rows import rows_of
from ml.train import Params, find_rounds, fit, from_bytes, to_bytes
from tests.ml.samples import SPLIT, snapshots

PARAMS = Params(most_rounds=60, patience=10)
UNSAMPLED = dataclasses.replace(PARAMS, row_share=1.0)
ROUNDS = 40


@pytest.fixture(scope="module")
def scheduler():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def rows():
    return rows_of([snapshots()], MODEL_FEATURES)


def test_without_sampling_of_rows_the_trees_are_the_same(rows, scheduler):
    fitted = rows.sample(SPLIT.fitted)
    here = margins(fit(fitted, UNSAMPLED, rounds=ROUNDS), fitted.values, MODEL_FEATURES)
    there = fit(fitted, UNSAMPLED, rounds=ROUNDS, cluster=scheduler)
    assert np.abs(margins(there, fitted.values, MODEL_FEATURES) - here).max() < 1e-4


def test_the_model_is_as_good_and_its_artefact_of_the_same_shape(rows, scheduler, tmp_path):
    part = snapshots(list(SPLIT.all))
    stored = rows_of([part], MODEL_FEATURES, folder=tmp_path, batch_rows=300)
    fitted, holdout = stored.sample(SPLIT.fitted), rows.sample([SPLIT.holdout])
    assert fitted.in_file
    here = fit(fitted, PARAMS, rounds=ROUNDS)
    there = from_bytes(to_bytes(fit(fitted, PARAMS, rounds=ROUNDS, cluster=scheduler)))
    assert there.feature_names == here.feature_names
    assert there.num_boosted_rounds() == ROUNDS
    found = contributions(there, holdout.values, MODEL_FEATURES)
    alone = margins(here, holdout.values, MODEL_FEATURES)
    assert np.corrcoef(found.margins, alone)[0, 1] > 0.97
    assert abs(np.mean(found.margins - alone)) < 0.1


def test_the_number_of_trees_is_found_there_too(rows, scheduler):
    parts = rows.sample(SPLIT.train), rows.sample(SPLIT.validation)
    here = find_rounds(*parts, UNSAMPLED)
    there = find_rounds(*parts, UNSAMPLED, cluster=scheduler)
    assert there.rounds == here.rounds == there.booster.num_boosted_rounds()
    assert there.loss == pytest.approx(here.loss, abs=1e-5)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere://x"])
def test_a_scheduler_that_does_not_answer_is_named(rows, address, monkeypatch):
    monkeypatch.setattr("ml.dask_training.ANSWER_SECONDS", 1)
    with pytest.raises(NoCluster, match=f"no Dask scheduler answers at '{address}'"):
        fit(rows.sample(SPLIT.fitted), PARAMS, rounds=1, cluster=address)
