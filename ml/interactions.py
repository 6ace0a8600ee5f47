"""Which features work together: what two of them add jointly, beyond what each adds alone.

SHAP interaction values: Lundberg et al., "From local explanations to global understanding with
explainable AI for trees" (2020), by XGBoost's ``pred_interactions``. The matrix of a customer is
symmetric and halves each pair's part between its two cells; here a pair's part is their sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from ml.explain import matrix_of
from ml.train import Sample

SAMPLED = 500  # customers of the holdout: the cost grows with features times customers
SEED = 20170101
STRONGEST = 8


@dataclass(frozen=True)
class Interaction:
    """Two features and what they add together.

    Attributes:
        first: the feature that is drawn along.
        second: the other, drawn as colour.
        strength: the mean absolute value of ``joint``.
        share: of all that the model's features add, alone and together, by mean absolute value.
        first_values: float[n]; NaN = missing.
        second_values: float[n]; NaN = missing.
        joint: float[n], of the margin.
    """

    first: str
    second: str
    strength: float
    share: float
    first_values: NDArray[np.float64]
    second_values: NDArray[np.float64]
    joint: NDArray[np.float64]


def strongest_interactions(
    booster: xgb.Booster, sample: Sample, *, rows: int = SAMPLED, pairs: int = STRONGEST
) -> Sequence[Interaction]:
    """Return the strongest pairs on at most ``rows`` customers, the strongest first.

    Pairs that add nothing are left out, so a model of stumps has none.
    """
    chosen = _rows(len(sample.labels), rows)
    values = sample.values[chosen]
    found = np.asarray(
        booster.predict(matrix_of(values, sample.names), pred_interactions=True), dtype=np.float64
    )[:, :-1, :-1]
    strength = np.abs(found).mean(axis=0)
    first, second = np.triu_indices(len(sample.names), k=1)
    joint = strength[first, second] + strength[second, first]
    everything = float(strength.sum()) or 1.0
    order = np.argsort(-joint, kind="stable")[:pairs]
    return [
        Interaction(
            first=sample.names[first[at]],
            second=sample.names[second[at]],
            strength=float(joint[at]),
            share=float(joint[at]) / everything,
            first_values=values[:, first[at]],
            second_values=values[:, second[at]],
            joint=found[:, first[at], second[at]] + found[:, second[at], first[at]],
        )
        for at in order
        if joint[at] > 0.0
    ]


def _rows(there: int, wanted: int) -> NDArray[np.int64]:
    if there <= wanted:
        return np.arange(there)
    return np.sort(np.random.default_rng(SEED).choice(there, wanted, replace=False))
