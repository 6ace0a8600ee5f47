"""Rows are the same however they were cut, and in a file as in memory."""

import numpy as np
import pytest

from ml.catalogue import MODEL_FEATURES
from ml.errors import TooFewRows, UnknownColumns
from ml.labels import CHURN
from ml.rows import Rows, rows_of
from ml.split import forward_folds
from tests.ml.samples import SNAPSHOTS, SPLIT, snapshots

CUT = 700  # in the middle of a snapshot


@pytest.fixture(scope="module")
def frame():
    return snapshots()


@pytest.fixture(scope="module")
def whole(frame) -> Rows:
    return rows_of([frame], MODEL_FEATURES)


@pytest.fixture
def cut(frame, tmp_path) -> Rows:
    parts = [frame[:CUT], frame[CUT:]]
    return rows_of(parts, MODEL_FEATURES, folder=tmp_path, batch_rows=CUT)


def test_in_a_file_and_cut_they_are_the_same(whole, cut):
    assert cut.sha256 == whole.sha256
    assert cut.spans == whole.spans
    for as_ofs in (SPLIT.fitted, SPLIT.train, SPLIT.validation, [SPLIT.holdout], SNAPSHOTS[::2]):
        own, other = cut.sample(as_ofs), whole.sample(as_ofs)
        assert np.array_equal(own.values, other.values, equal_nan=True)
        assert np.array_equal(own.labels, other.labels)
        assert np.array_equal(own.halves, other.halves)


def test_snapshots_that_follow_each_other_are_not_copied(whole, cut):
    assert np.shares_memory(whole.sample(SNAPSHOTS[2:9]).values, whole.everything.values)
    assert cut.sample(SNAPSHOTS[2:9]).in_file


def test_a_snapshot_is_its_own_rows(frame, whole):
    own = whole.sample([SNAPSHOTS[3]])
    assert np.array_equal(own.labels, frame.loc[frame["as_of"] == SNAPSHOTS[3], "label"])
    assert len(whole.sample([SNAPSHOTS[0].replace(year=1999)]).labels) == 0


def test_thinned_a_file_is_at_most_a_batch_in_memory(whole, cut):
    near = cut.everything.thinned()
    assert not near.in_file
    assert CUT / 2 < len(near.labels) == len(near.values) == len(near.halves) <= CUT
    assert whole.everything.thinned() is whole.everything


def test_what_is_judged_by_comes_whole_into_memory(whole, frame, tmp_path):
    stored = rows_of([frame], MODEL_FEATURES, folder=tmp_path, batch_rows=100)
    for fold in (SPLIT, forward_folds(SPLIT, CHURN.horizon)[0]):
        own, other = whole.fold(fold)[1], stored.fold(fold)[1]
        assert not other.in_file
        assert len(other.labels) > 2 * 100
        assert np.array_equal(other.values, own.values, equal_nan=True)
    for (_, own), (_, other) in zip(whole.weeks(SPLIT), stored.weeks(SPLIT), strict=True):
        assert np.array_equal(other.values, own.values, equal_nan=True)


def test_a_customer_is_in_one_half_in_every_snapshot(frame, whole):
    halves = frame.assign(half=whole.everything.halves).groupby("customer_id")["half"].nunique()
    assert halves.max() == 1
    assert 0.3 < whole.everything.halves.mean() < 0.7


@pytest.mark.parametrize("column", ["order_count_7d", "label", "customer_id"])
def test_one_changed_value_changes_the_hash(frame, whole, column):
    other = frame.copy()
    other.loc[0, column] = "somebody" if column == "customer_id" else 1.0 - other.loc[0, column]
    assert rows_of([other], MODEL_FEATURES).sha256 != whole.sha256


def test_rows_without_a_feature_or_without_rows_are_refused(frame):
    with pytest.raises(UnknownColumns, match="order_count_7d"):
        rows_of([frame.drop(columns="order_count_7d")], MODEL_FEATURES)
    with pytest.raises(TooFewRows, match="collect more orders"):
        rows_of([frame[:0]], MODEL_FEATURES)
    with pytest.raises(ValueError, match="do not follow each other"):
        rows_of([frame, frame], MODEL_FEATURES)
