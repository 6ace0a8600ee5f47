"""Read the trees of an XGBoost model, exactly as it stores them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.errors import UnknownTrees

# By objective, the margin of the prediction that a model starts from.
MARGINS: dict[str, Callable[[float], float]] = {
    "binary:logistic": lambda share: log(share / (1.0 - share)),
    "reg:tweedie": log,
}


@dataclass(frozen=True)
class Step:
    """One step of the way from the root to a leaf.

    Attributes:
        node: which inner node it leaves.
        feature: the column that the node looks at.
        goes_left: whether it is the step of the smaller values.
        share: of the node's cover (the second derivatives of what it learnt from) that takes it.
    """

    node: int
    feature: int
    goes_left: bool
    share: float


@dataclass(frozen=True)
class Leaf:
    """A leaf: what it adds to the margin, and the way to it."""

    value: float
    path: tuple[Step, ...]


@dataclass(frozen=True)
class Tree:
    """One tree of m inner nodes, each followed by what is below it, left before right.

    Attributes:
        feature: int64[m], the column that a node looks at.
        threshold: float32[m, 1]; a smaller value goes to the left.
        missing_left: bool[m], whether a missing value goes to the left.
        leaves: m + 1, from left to right.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    leaves: tuple[Leaf, ...]

    @property
    def mean(self) -> float:
        """The mean of the leaves by cover."""
        return sum(leaf.value * prod(step.share for step in leaf.path) for leaf in self.leaves)


@dataclass(frozen=True)
class Forest:
    """The trees of a model, and the margin that they start from."""

    trees: tuple[Tree, ...]
    intercept: float

    @property
    def base_value(self) -> float:
        """The margin of nobody in particular: the intercept and each tree's mean."""
        return self.intercept + sum(tree.mean for tree in self.trees)


def read_forest(model: bytes) -> Forest:
    """Return the trees of ``Booster.save_raw("json")``, whose numbers can be read back exactly.

    Raises:
        UnknownTrees: these are not trees for one yes or no, or one amount, with numeric splits.
    """
    learner = json.loads(model)["learner"]
    booster, start = learner["gradient_booster"], learner["learner_model_param"]
    odd = [
        f"{what} {found}"
        for what, found, known in (
            ("booster", booster["name"], ("gbtree",)),
            ("objective", learner["objective"]["name"], tuple(MARGINS)),
            ("num_target", start["num_target"], ("0", "1")),
        )
        if found not in known
    ]
    trees = [] if odd else booster["model"]["trees"]
    if any(any(tree["split_type"]) for tree in trees):
        odd.append("categorical splits")
    if odd:
        raise UnknownTrees(
            f"a model with {', '.join(odd)} is not explained; train a gbtree with "
            f"{' or '.join(MARGINS)} on numbers"
        )
    (base,) = json.loads(start["base_score"])
    return Forest(tuple(map(_tree, trees)), MARGINS[learner["objective"]["name"]](base))


def _tree(stored: dict[str, Any]) -> Tree:
    inner = list(_inner_nodes(stored, 0))
    places = {node: place for place, node in enumerate(inner)}
    return Tree(
        feature=np.array([stored["split_indices"][node] for node in inner], dtype=np.int64),
        threshold=np.array(
            [[stored["split_conditions"][node]] for node in inner], dtype=np.float32
        ).reshape(len(inner), 1),
        missing_left=np.array([stored["default_left"][node] for node in inner], dtype=np.bool_),
        leaves=tuple(_leaves(stored, places, 0, ())),
    )


def _inner_nodes(stored: dict[str, Any], node: int) -> Iterator[int]:
    if stored["left_children"][node] >= 0:
        yield node
        yield from _inner_nodes(stored, stored["left_children"][node])
        yield from _inner_nodes(stored, stored["right_children"][node])


def _leaves(
    stored: dict[str, Any], places: dict[int, int], node: int, path: tuple[Step, ...]
) -> Iterator[Leaf]:
    if node not in places:
        yield Leaf(float(np.float32(stored["split_conditions"][node])), path)
        return
    for side, goes_left in (("left_children", True), ("right_children", False)):
        child = stored[side][node]
        share = stored["sum_hessian"][child] / stored["sum_hessian"][node]
        step = Step(places[node], stored["split_indices"][node], goes_left, share)
        yield from _leaves(stored, places, child, (*path, step))
