"""The list of features is the contract of dbt's table, and all that is said of it is up to date."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from footfall.warehouse.feature_pages import feature_pages
from ml.catalogue import FEATURES, MODEL_FEATURES, monotone
from ml.errors import UnknownColumns
from ml.features import NAMES, RFM, matrix
from ml.labels import LABELS
from ml.reasons import PHRASES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", feature_pages(), ids=lambda path: path.name)
def test_what_is_said_of_the_features_is_fresh(path):
    assert (ROOT / path).read_text() == feature_pages()[path], "run: make features"


def test_every_feature_is_listed_once_with_all_that_is_to_say_of_it():
    assert len(set(NAMES)) == len(NAMES)
    for feature in FEATURES:
        assert feature.meaning.endswith("."), feature.name
        assert feature.unit, feature.name
        assert feature.source, feature.name
        if feature.name.endswith("d") and feature.name.split("_")[-1][:-1].isdigit():
            assert feature.name.endswith(f"_{feature.window_days}d")


def test_the_models_of_today_learn_from_features_that_are_there():
    assert len(set(MODEL_FEATURES)) == len(MODEL_FEATURES)
    assert set(MODEL_FEATURES) <= set(NAMES)
    assert {label.activity_column for label in LABELS.values()} - {None} <= set(NAMES)
    assert set(RFM) <= set(MODEL_FEATURES)


def test_a_model_is_constrained_only_by_features_that_it_reads():
    constrained = {name for feature in FEATURES for name in feature.monotone}
    assert constrained <= set(LABELS)
    for name in constrained:
        assert {feature for feature, _ in monotone(name)} <= set(MODEL_FEATURES)


@pytest.mark.parametrize("theme", PHRASES)
def test_every_theme_has_words_for_somebody_of_whom_nothing_is_known(theme):
    assert PHRASES[theme]({})


def test_a_frame_without_a_feature_is_refused_by_its_name():
    frame = pd.DataFrame({"a": [1.0, None]})
    assert np.array_equal(matrix(frame, ("a",)), [[1.0], [np.nan]], equal_nan=True)
    with pytest.raises(UnknownColumns, match="lack b;"):
        matrix(frame, ("a", "b"))
