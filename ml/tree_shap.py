"""SHAP values of trees by looking them up: exact, and an order of magnitude faster than recursion.

What a leaf adds to a feature depends on a row only through *which* conditions on the leaf's path
the row meets, not on its values. So all answers of a piece of a tree that asks few questions are
worked out beforehand, a table of ``2 ** questions`` rows; a row's answers, as bits, are its line.
The idea is that of FastTreeSHAP v2 (Yang, "Fast TreeSHAP", 2021) and woodelf (Nadel & Wettenstein,
2025), for the path-dependent values of Lundberg et al. (2020).

Of a leaf with value ``v`` and the distinct features ``D`` on its path, feature ``f`` gets

    v (o_f - z_f) * integral over t from 0 to 1 of
        the product over the other j in D of  t o_j + (1 - t) z_j

where ``o_j`` is 1 if the row meets all the leaf's conditions on ``j``, else 0, and ``z_j`` is the
share of cover that meets them. The integral is Shapley's weighted sum over all subsets (the weights
are those of a beta function); its integrand is a polynomial, which Gauss and Legendre's rule
integrates exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from ml.errors import UnknownTrees
from ml.trees import Forest, Leaf, Step, Tree

QUESTIONS = 8  # of a piece: tables small enough for a core's cache, and few of them
MOST_QUESTIONS = 12  # distinct features on one path: its table has 4,096 rows
BLOCK_ROWS = 8192  # what is in use at once fits into a core's cache


@dataclass(frozen=True)
class Piece:
    """A part of a tree, from a node down to its leaves.

    Attributes:
        entries: the questions about the way to it, one per feature: are these steps all taken?
        inside: the questions of its own nodes, one each: does the row go left there?
        bits: uint16[questions, 1], the place of each answer in a row's line.
        features: which get a part.
        table: float64[features, 2 ** questions], by line.
    """

    entries: tuple[tuple[Step, ...], ...]
    inside: slice
    bits: NDArray[np.uint16]
    features: tuple[int, ...]
    table: NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """All that rows are looked up in, tree by tree."""

    trees: tuple[tuple[Tree, tuple[Piece, ...]], ...]
    base_value: float


def tables_of(forest: Forest) -> Tables:
    """Work out the tables.

    Raises:
        UnknownTrees: a path asks about more than 12 features.
    """
    trees = tuple((tree, tuple(_cut(tree.leaves, 0))) for tree in forest.trees)
    return Tables(trees, forest.base_value)


def shap_values(tables: Tables, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return float64[n, k], in log-odds, for float32[n, k] feature values; NaN = missing."""
    found = np.zeros(values.shape, dtype=np.float64)
    for start in range(0, len(values), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        found[rows] = _block(tables, np.ascontiguousarray(values[rows].T)).T
    return found


def _block(tables: Tables, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return float64[k, n] for float32[k, n]."""
    missing = np.isnan(values)
    # Above every threshold or below: where a missing value goes is then no question of its own.
    high, low = (np.where(missing, np.float32(end), values) for end in (np.inf, -np.inf))
    sides = np.concatenate([high, low])
    found = np.zeros(values.shape, dtype=np.float64)
    part = np.empty(values.shape[1], dtype=np.float64)
    for tree, pieces in tables.trees:
        goes_left = sides[tree.feature + len(values) * tree.missing_left] < tree.threshold
        for piece in pieces:
            line = _lines(piece, goes_left)
            for feature, table in zip(piece.features, piece.table, strict=True):
                np.take(table, line, out=part, mode="clip")
                found[feature] += part
    return found


def _lines(piece: Piece, goes_left: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return intp[n], the rows' answers as bits, for bool[nodes, n]."""
    answers = goes_left[piece.inside]
    if piece.entries:
        entries = [_all_taken(path, goes_left) for path in piece.entries]
        answers = np.concatenate([entries, answers])
    return np.asarray(np.bitwise_or.reduce(answers * piece.bits, axis=0), dtype=np.intp)


def _all_taken(steps: Sequence[Step], goes_left: NDArray[np.bool_]) -> NDArray[np.bool_]:
    first, *more = (
        goes_left[step.node] if step.goes_left else ~goes_left[step.node] for step in steps
    )
    return np.asarray(np.logical_and.reduce([first, *more])) if more else first


def _cut(leaves: Sequence[Leaf], depth: int) -> Iterator[Piece]:
    """Cut the part of a tree that has these leaves, from this depth down, into pieces."""
    entries = len({step.feature for step in leaves[0].path[:depth]})
    if len(leaves) > 1 and entries + len(leaves) - 1 > QUESTIONS:
        for side in (True, False):
            below = [leaf for leaf in leaves if leaf.path[depth].goes_left is side]
            yield from _cut(below, depth + 1)
    elif entries > MOST_QUESTIONS:
        raise UnknownTrees(
            f"a path that asks about {entries} features is not explained, only up to "
            f"{MOST_QUESTIONS}; train shallower trees"
        )
    elif leaves[0].path:
        yield _piece(leaves, depth)


def _piece(leaves: Sequence[Leaf], depth: int) -> Piece:
    """Work out what each feature gets, for all answers that rows may give."""
    way = leaves[0].path[:depth]
    above = list(dict.fromkeys(step.feature for step in way))
    first = leaves[0].path[depth].node if len(leaves) > 1 else 0
    questions = len(above) + len(leaves) - 1
    features = list(dict.fromkeys(step.feature for leaf in leaves for step in leaf.path))
    answers = _answers(questions)
    table = np.zeros((len(features), 2**questions))
    for leaf in leaves:
        asked = list(dict.fromkeys(step.feature for step in leaf.path))
        met = np.ones((len(asked), 2**questions), dtype=np.bool_)
        met[: len(above)] = answers[: len(above)]
        for step in leaf.path[depth:]:
            answer = answers[len(above) + step.node - first]
            met[asked.index(step.feature)] &= answer if step.goes_left else ~answer
        shares = [prod(s.share for s in leaf.path if s.feature == one) for one in asked]
        parts = leaf.value * _shapley(np.array(shares))
        table[[features.index(one) for one in asked]] += parts[:, _bits(len(asked)) @ met]
    return Piece(
        entries=tuple(tuple(step for step in way if step.feature == one) for one in above),
        inside=slice(first, first + len(leaves) - 1),
        bits=_bits(questions)[:, np.newaxis],
        features=tuple(features),
        table=table,
    )


def _shapley(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return float64[d, 2 ** d], what each feature gets of a leaf of value 1, by who is met.

    Args:
        shares: float64[d], the share of cover that meets each feature's conditions; above 0.
    """
    count = len(shares)
    points, weights = _quadrature(count // 2 + 1)
    met = _answers(count)
    z = shares[:, np.newaxis]
    t = points[:, np.newaxis, np.newaxis]
    factors = t * met + (1.0 - t) * z  # above 0, so that one can be taken out of their product
    integral = weights @ (factors.prod(axis=1, keepdims=True) / factors).reshape(len(points), -1)
    return np.asarray((met - z) * integral.reshape(met.shape))


@cache
def _answers(questions: int) -> NDArray[np.bool_]:
    """Return bool[questions, 2 ** questions]: bit by bit, all numbers from 0 on."""
    numbers = np.arange(2**questions)
    return np.asarray(numbers >> np.arange(questions)[:, np.newaxis] & 1, dtype=np.bool_)


@cache
def _bits(questions: int) -> NDArray[np.uint16]:
    return np.left_shift(1, np.arange(questions)).astype(np.uint16)


@cache
def _quadrature(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points and weights between 0 and 1, exact for degrees below 2 * points."""
    at, weights = np.polynomial.legendre.leggauss(points)
    return (at + 1.0) / 2.0, weights / 2.0
