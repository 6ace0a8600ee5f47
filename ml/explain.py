"""Take a margin apart into what each feature added to it.

SHAP values for trees, exact: Lundberg et al., "From local explanations to global understanding with
explainable AI for trees" (2020); the same numbers as XGBoost's ``pred_contribs`` and
shap.TreeExplainer, by `ml.tree_shap`. Margins are XGBoost's own.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from ml.errors import NotAdditive
from ml.tree_shap import Tables, shap_values, tables_of
from ml.trees import read_forest

TOLERANCE = 1e-4  # of a margin: log-odds, or the logarithm of an amount


@dataclass(frozen=True)
class Contributions:
    """Margins and their parts.

    Attributes:
        margins: float64[n], before calibration: log-odds, or logarithms of amounts.
        base_value: the margin of nobody in particular.
        shap_values: float64[n, k]; a row sums, with the base value, to its margin within 1e-4.
    """

    margins: NDArray[np.float64]
    base_value: float
    shap_values: NDArray[np.float64]


def matrix_of(
    values: NDArray[np.float64], names: tuple[str, ...], labels: NDArray[np.float64] | None = None
) -> xgb.DMatrix:
    """Return what XGBoost reads, made by one thread: on busy cores several only wait."""
    return xgb.DMatrix(values, labels, feature_names=list(names), nthread=1)


def margins(
    booster: xgb.Booster, values: NDArray[np.float64], names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return float64[n] margins of float64[n, k] feature values; NaN = missing."""
    data = matrix_of(values, names)
    return np.asarray(booster.predict(data, output_margin=True), dtype=np.float64)


def contributions(
    booster: xgb.Booster, values: NDArray[np.float64], names: tuple[str, ...]
) -> Contributions:
    """Return the margins of float64[n, k] feature values and what each feature added.

    Raises:
        UnknownTrees: the model is of a kind that is not explained.
        NotAdditive: the parts of a row do not sum to its margin.
    """
    expected = margins(booster, values, names)  # refuses infinite values
    tables = _tables(bytes(booster.save_raw("json")))
    found = Contributions(
        margins=expected,
        base_value=tables.base_value,
        shap_values=shap_values(tables, values.astype(np.float32)),
    )
    check_additive(found)
    return found


@lru_cache(maxsize=2)
def _tables(model: bytes) -> Tables:
    """Return a model's tables; those of the last ones are kept, for its next chunk of rows."""
    return tables_of(read_forest(model))


def check_additive(found: Contributions) -> None:
    """Check every row.

    Raises:
        NotAdditive: a row's parts are off by more than 1e-4; names the first such row.
    """
    sums = found.base_value + found.shap_values.sum(axis=1)
    off = np.abs(sums - found.margins)
    wrong = np.flatnonzero(~(off <= TOLERANCE))
    if len(wrong):
        row = int(wrong[0])
        raise NotAdditive(
            f"row {row}: base value and SHAP values sum to {sums[row]:.6f}, the margin is "
            f"{found.margins[row]:.6f}; what was looked up is not what the model adds: report it"
        )
