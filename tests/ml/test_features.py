"""The list of features is the contract of dbt's table, word for word."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ml.errors import UnknownColumns
from ml.features import NAMES, RFM, matrix
from ml.labels import LABELS

MART = Path(__file__).parents[2] / "dbt_project" / "models" / "marts" / "features"


def _columns(table: str) -> list[str]:
    described = yaml.safe_load((MART / "_features__models.yml").read_text())["models"]
    (found,) = [model for model in described if model["name"] == table]
    return [column["name"] for column in found["columns"]]


def test_the_features_are_the_columns_of_customer_features_in_order():
    assert _columns("customer_features") == ["customer_id", "as_of", *NAMES]


def test_the_labels_are_columns_of_customer_labels():
    assert {label.column for label in LABELS.values()} <= set(_columns("customer_labels"))
    populations = {label.activity_column for label in LABELS.values()} - {None}
    assert populations | set(RFM) <= set(NAMES)


def test_a_frame_without_a_feature_is_refused_by_its_name():
    frame = pd.DataFrame({"a": [1.0, None]})
    assert np.array_equal(matrix(frame, ("a",)), [[1.0], [np.nan]], equal_nan=True)
    with pytest.raises(UnknownColumns, match="lack b;"):
        matrix(frame, ("a", "b"))
