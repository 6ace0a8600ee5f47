"""Grow trees by one library, and judge them: for the part ``training``.

Reads its task as JSON from stdin: the library, two files of numpy, how many of the last rows are
kept to judge by, and what the trees look like. Prints the seconds, without reading the files, and
the AUC. What all libraries have is the same: trees, depth, learning rate 0.1, L2 1, 256 bins.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

RATE, L2, BINS, SEED = 0.1, 1.0, 256, 1
Task = dict[str, Any]
Predict = Callable[[Any], Any]


def footfall(task: Task, values: Any, labels: Any) -> Predict:
    """Grow them by Footfall's own function."""
    from ml.explain import margins
    from ml.train import Params, Sample, fit

    names = tuple(f"f{column}" for column in range(values.shape[1]))
    params = Params(
        max_depth=task["depth"],
        learning_rate=RATE,
        min_child_weight=1.0,
        row_share=1.0,
        column_share=1.0,
        l2=L2,
        seed=SEED,
        threads=task["threads"],
    )
    booster = fit(Sample(values, labels, names), params, rounds=task["trees"])
    return lambda rows: margins(booster, rows, names)


def xgboost(task: Task, values: Any, labels: Any) -> Predict:
    """Grow them as XGBoost's documentation does."""
    import xgboost as xgb

    params = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_depth": task["depth"],
        "eta": RATE,
        "lambda": L2,
        "max_bin": BINS,
        "nthread": task["threads"],
        "seed": SEED,
    }
    data = xgb.DMatrix(values, labels, nthread=task["threads"])
    booster = xgb.train(params, data, task["trees"])
    return lambda rows: booster.predict(xgb.DMatrix(rows), output_margin=True)


def lightgbm(task: Task, values: Any, labels: Any) -> Predict:
    """Grow them with LightGBM: as many leaves as the depth allows."""
    import lightgbm as lgb

    params = {
        "objective": "binary",
        "max_depth": task["depth"],
        "num_leaves": 2 ** task["depth"],
        "learning_rate": RATE,
        "lambda_l2": L2,
        "max_bin": BINS - 1,
        "num_threads": task["threads"],
        "seed": SEED,
        "verbose": -1,
    }
    booster = lgb.train(params, lgb.Dataset(values, labels), task["trees"])
    return lambda rows: booster.predict(rows, raw_score=True)


def scikit_learn(task: Task, values: Any, labels: Any) -> Predict:
    """Grow them with scikit-learn's HistGradientBoostingClassifier."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=task["trees"],
        max_depth=task["depth"],
        max_leaf_nodes=2 ** task["depth"],
        learning_rate=RATE,
        l2_regularization=L2,
        max_bins=BINS - 1,
        early_stopping=False,
        random_state=SEED,
    )
    with threadpool_limits(task["threads"], user_api="openmp"):
        model.fit(values, labels)
    return model.decision_function


GROWERS = {
    "ml.train.fit": footfall,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "scikit-learn": scikit_learn,
}


def auc(labels: Any, scores: Any) -> float:
    """Return the area under the ROC curve; ties count with their mean rank."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives = labels.sum()
    above = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(labels) - positives)))


def main() -> None:
    """Grow once, and print what it took and how good it is."""
    task = json.load(sys.stdin)
    values, labels = np.load(task["values"]), np.load(task["labels"])
    learnt = len(labels) - task["judged"]
    started = time.perf_counter()
    predict = GROWERS[task["library"]](task, values[:learnt], labels[:learnt])
    seconds = time.perf_counter() - started
    found = auc(labels[learnt:], np.asarray(predict(values[learnt:])))
    json.dump({"seconds": seconds, "auc": found}, sys.stdout)


if __name__ == "__main__":
    main()
