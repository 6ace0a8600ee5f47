"""Fit gradient-boosted trees, the same bytes each time.

Histogram trees, one seed, a fixed number of threads: the same frame gives the same artefact, so
that its SHA-256 names the model. How many trees is found on the validation snapshots; the stored
model is then fitted on train and validation together, and has never seen the holdout.
"""

import hashlib
from dataclasses import asdict, dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from ml.errors import TooFewRows
from ml.explain import matrix_of

MINIMUM_ROWS = 200
MINIMUM_OF_A_CLASS = 20


@dataclass(frozen=True)
class Params:
    """What the trees look like. Chosen by time-split validation on one grocery year."""

    max_depth: int = 3
    learning_rate: float = 0.05
    min_child_weight: float = 20.0
    row_share: float = 0.8
    column_share: float = 0.3
    l2: float = 5.0
    most_rounds: int = 600
    patience: int = 40
    seed: int = 20170101
    threads: int = 1

    def as_dict(self) -> dict[str, float]:
        """Return the parameters by name."""
        return asdict(self)


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to be judged on.

    Attributes:
        values: float64[n, k]; NaN = missing.
        labels: float64[n] of 0.0 and 1.0.
        names: the k columns.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.float64]
    names: tuple[str, ...]


def find_rounds(train: Sample, validation: Sample, params: Params) -> tuple[xgb.Booster, int]:
    """Grow trees until the validation log loss has not fallen for ``patience`` rounds.

    Returns:
        The model of the best round, and how many trees that is.

    Raises:
        TooFewRows: too few rows or one class only, in either sample.
    """
    _check_size("training", train)
    _check_size("validation", validation)
    booster = xgb.train(
        _native(params),
        _data(train),
        params.most_rounds,
        evals=[(_data(validation), "validation")],
        early_stopping_rounds=params.patience,
        verbose_eval=False,
    )
    rounds = int(booster.best_iteration) + 1
    return booster[:rounds], rounds


def fit(sample: Sample, params: Params, *, rounds: int) -> xgb.Booster:
    """Grow exactly ``rounds`` trees.

    Raises:
        TooFewRows: fewer than 200 rows, or fewer than 20 of a class.
    """
    _check_size("training", sample)
    return xgb.train(_native(params), _data(sample), rounds, verbose_eval=False)


def to_bytes(booster: xgb.Booster) -> bytes:
    """Return the model in XGBoost's own binary format (UBJSON)."""
    return bytes(booster.save_raw(raw_format="ubj"))


def from_bytes(artefact: bytes, *, threads: int = Params.threads) -> xgb.Booster:
    """Return the model that `to_bytes` wrote."""
    booster = xgb.Booster({"nthread": threads})
    booster.load_model(bytearray(artefact))
    return booster


def sha256(artefact: bytes) -> str:
    """Return the hash that names an artefact."""
    return hashlib.sha256(artefact).hexdigest()


def _data(sample: Sample) -> xgb.DMatrix:
    return matrix_of(sample.values, sample.names, sample.labels)


def _native(params: Params) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "max_depth": params.max_depth,
        "eta": params.learning_rate,
        "min_child_weight": params.min_child_weight,
        "subsample": params.row_share,
        "colsample_bytree": params.column_share,
        "lambda": params.l2,
        "seed": params.seed,
        "nthread": params.threads,
    }


def _check_size(part: str, sample: Sample) -> None:
    rows, positives = len(sample.labels), int(sample.labels.sum())
    few, rarer = min((positives, "positives"), (rows - positives, "negatives"))
    if rows < MINIMUM_ROWS or few < MINIMUM_OF_A_CLASS:
        raise TooFewRows(
            f"the {part} snapshots have {rows} rows, {few} of them {rarer}; at least "
            f"{MINIMUM_ROWS} rows and {MINIMUM_OF_A_CLASS} of each class are needed: "
            "collect more orders"
        )
