"""SHAP values that are looked up are Shapley's, by definition, and everybody else's."""

import json
from itertools import combinations
from math import factorial

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as some

from ml.errors import UnknownTrees
from ml.explain import contributions, matrix_of
from ml.plots import import_shap
from ml.tree_shap import shap_values, tables_of
from ml.trees import read_forest

GROWN = {"objective": "binary:logistic", "min_child_weight": 0.5, "base_score": 0.3, "nthread": 1}


def numbers(rows: int, columns: int, seed: int) -> np.ndarray:
    """Return whole numbers and, in a fifth of the places, nothing."""
    chance = np.random.default_rng(seed)
    values = chance.integers(-3, 4, (rows, columns)).astype(np.float64)
    values[chance.random(values.shape) < 0.2] = np.nan
    return values


def names(columns: int) -> tuple[str, ...]:
    return tuple(f"f{column}" for column in range(columns))


def grow(columns: int, seed: int, *, depth: int, rounds: int, **params: object) -> xgb.Booster:
    values = numbers(300, columns, seed)
    chance = np.random.default_rng(seed)
    signal = np.nan_to_num(values, nan=1.5) @ chance.normal(size=columns) + values[:, 0] ** 2
    labels = (np.nan_to_num(signal) + chance.normal(size=300) > 1.0).astype(np.float64)
    data = matrix_of(values, names(columns), labels)
    return xgb.train({**GROWN, "max_depth": depth, "seed": seed, **params}, data, rounds)


def expected_value(node: dict, row: np.ndarray, known: frozenset[int]) -> float:
    """Return a tree's value where only some features are known: the others go both ways."""
    if "leaf" in node:
        return float(np.float32(node["leaf"]))
    children = {child["nodeid"]: child for child in node["children"]}
    feature = int(node["split"][1:])
    if feature in known:
        value = np.float32(row[feature])
        side = "yes" if value < np.float32(node["split_condition"]) else "no"
        return expected_value(children[node["missing" if np.isnan(value) else side]], row, known)
    return sum(
        child["cover"] / node["cover"] * expected_value(child, row, known)
        for child in children.values()
    )


def shapley(booster: xgb.Booster, row: np.ndarray) -> np.ndarray:
    """Return what each feature adds on average over all orders, by the definition."""
    dumped = booster.get_dump(dump_format="json", with_stats=True)
    trees = [json.loads(tree) for tree in dumped]
    columns = range(len(row))
    worth = {
        frozenset(subset): sum(expected_value(tree, row, frozenset(subset)) for tree in trees)
        for size in range(len(row) + 1)
        for subset in combinations(columns, size)
    }
    found = np.zeros(len(row))
    for subset, value in worth.items():
        for one in set(columns) - subset:
            weight = factorial(len(subset)) * factorial(len(row) - len(subset) - 1)
            found[one] += weight / factorial(len(row)) * (worth[subset | {one}] - value)
    return found


@settings(max_examples=40, deadline=None)
@given(
    columns=some.integers(1, 5),
    depth=some.integers(1, 6),
    rounds=some.integers(1, 3),
    seed=some.integers(0, 10_000),
    nudge=some.sampled_from([0.0, -1e-12, 1e-12]),
)
def test_they_are_shapleys_by_definition(columns, depth, rounds, seed, nudge):
    booster = grow(columns, seed, depth=depth, rounds=rounds)
    # Values beside a threshold that are the threshold itself once they are float32.
    split = read_forest(booster.save_raw("json")).trees[0].threshold
    rows = numbers(5, columns, seed + 1)
    if len(split):
        rows[0] = float(split[0, 0]) + nudge
    found = contributions(booster, rows, names(columns)).shap_values
    expected = np.array([shapley(booster, row) for row in rows])
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 6, 8])
def test_they_are_those_of_xgboost_and_of_the_shap_library(depth):
    booster = grow(12, depth, depth=depth, rounds=20)
    rows = numbers(9_000, 12, seed=7)  # more than a block
    found = contributions(booster, rows, names(12))
    theirs = booster.predict(matrix_of(rows, names(12)), pred_contribs=True)
    assert np.abs(found.shap_values - theirs[:, :-1]).max() < 1e-5
    assert found.base_value == pytest.approx(theirs[0, -1], abs=1e-5)
    explainer = import_shap().TreeExplainer(booster)
    assert np.abs(found.shap_values[:200] - explainer.shap_values(rows[:200])).max() < 1e-5
    assert found.base_value == pytest.approx(explainer.expected_value, abs=1e-5)


def test_a_row_is_explained_alike_alone_and_among_others():
    tables = tables_of(read_forest(grow(6, 1, depth=5, rounds=8).save_raw("json")))
    rows = numbers(50, 6, seed=2).astype(np.float32)
    alone = np.concatenate([shap_values(tables, rows[at : at + 1]) for at in range(len(rows))])
    assert np.array_equal(shap_values(tables, rows), alone)
    assert shap_values(tables, rows[:0]).shape == (0, 6)


def test_a_tree_of_one_leaf_adds_to_the_base_value_only():
    booster = grow(3, 1, depth=2, rounds=2, gamma=1e9)
    found = contributions(booster, numbers(4, 3, seed=2), names(3))
    assert not found.shap_values.any()
    assert found.margins == pytest.approx(np.full(4, found.base_value), abs=1e-6)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"booster": "dart"}, "booster dart"),
        ({"objective": "reg:squarederror"}, "objective reg:squarederror"),
        ({"objective": "multi:softprob", "num_class": 2}, "objective multi:softprob"),
    ],
)
def test_trees_of_another_kind_are_refused(params, told):
    booster = grow(3, 1, depth=2, rounds=2, **params)
    with pytest.raises(UnknownTrees, match=told):
        read_forest(booster.save_raw("json"))


def test_categorical_splits_are_refused():
    values = np.arange(300.0)[:, np.newaxis] % 5
    data = xgb.DMatrix(
        values, (values[:, 0] % 2), feature_types=["c"], enable_categorical=True, nthread=1
    )
    booster = xgb.train({**GROWN, "max_cat_to_onehot": 1}, data, 2)
    with pytest.raises(UnknownTrees, match="categorical splits"):
        read_forest(booster.save_raw("json"))


def chain(length: int) -> tuple[xgb.Booster, np.ndarray]:
    """Return a model whose longest path asks about as many features, and rows."""
    values = np.tril(np.ones((length + 1, length)))  # row i has i ones: one question each
    rows = np.repeat(np.delete(np.vstack([np.zeros(length), values]), -1, axis=0), 20, axis=0)
    labels = np.repeat(np.arange(length + 1.0) % 2, 20)
    data = matrix_of(rows, names(length), labels)
    return xgb.train({**GROWN, "max_depth": length}, data, 1), rows


def test_a_path_may_ask_about_twelve_features_and_no_more():
    booster, rows = chain(12)
    theirs = booster.predict(matrix_of(rows, names(12)), pred_contribs=True)[:, :-1]
    assert (theirs != 0).all()
    assert np.abs(contributions(booster, rows, names(12)).shap_values - theirs).max() < 1e-6
    booster, rows = chain(13)
    with pytest.raises(UnknownTrees, match="asks about 13 features .* train shallower trees"):
        contributions(booster, rows, names(13))
