"""Judge trees on customers that they have never seen.

The same customers stand in many snapshots, and most of the holdout's in those before it too. That
leaks no label (the gaps see to it), but trees could learn customers by heart, and the holdout would
not tell. So the customers are cut into two halves, trees are grown on each half's rows, and judge
the other half's.
"""

import numpy as np
from numpy.typing import NDArray

from ml.explain import margins
from ml.train import Params, Sample, fit


def unseen_margins(
    fitted: Sample, holdout: Sample, params: Params, *, rounds: int, cluster: str | None = None
) -> NDArray[np.float64]:
    """Return float64[n], the holdout's log-odds by trees that have seen none of its customers.

    Args:
        fitted: rows to grow trees on, with halves.
        holdout: n later rows of the same customers, with halves.
        params: of the trees.
        rounds: how many trees.
        cluster: address of a Dask scheduler to train on.

    Raises:
        TooFewRows: a half is too small to learn from.
        ValueError: the halves are not known.
    """
    if fitted.halves is None or holdout.halves is None:
        raise ValueError("which half of the customers the rows are of is not known")
    found = np.zeros(len(holdout.labels))
    for half in (False, True):
        booster = fit(fitted.rows(fitted.halves == half), params, rounds=rounds, cluster=cluster)
        others = holdout.halves != half
        found[others] = margins(booster, holdout.values[others], holdout.names)
    return found
