"""How fast rows are explained, beside XGBoost's own way and the shap library; the part ``shap``."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.peers import programs
from bench.process import NotMeasured
from ml.explain import contributions, matrix_of

Values = NDArray[np.float64]

FOREST_SHAPES = ((3, 150), (6, 100))  # depth, trees
COLUMNS = 40
LEARNT_ROWS = 50_000
NAMES = tuple(f"f{column}" for column in range(COLUMNS))


@dataclass(frozen=True)
class Speed:
    """One way of explaining one model: seconds and difference per round."""

    name: str
    depth: int
    trees: int
    threads: int
    rows: int
    seconds: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Rows per second, of the median round."""
        return self.rows / statistics.median(self.seconds)


def measure(
    *,
    rows: int,
    peer_rows: int,
    rounds: int,
    with_peers: bool,
    folder: Path,
    say: Callable[[str], None],
) -> list[Speed]:
    """Explain the same rows in each way, by turns, and compare what is found.

    Args:
        rows: how many Footfall explains.
        peer_rows: how many of them the slower peers explain.
        rounds: how often each.
        with_peers: False leaves the peers out.
        folder: for files, and for the environment of a peer.
        say: tells how far it is.
    """
    values, labels = _rows(max(rows, LEARNT_ROWS))
    found = []
    for depth, trees in FOREST_SHAPES:
        say(f"shap: growing {trees} trees of depth {depth}")
        booster = _grow(values[:LEARNT_ROWS], labels[:LEARNT_ROWS], depth, trees)
        some = values[:peer_rows]
        expected = contributions(booster, some, NAMES).shap_values
        speeds = [Speed("Footfall", depth, trees, 1, rows)]
        ways = [lambda booster=booster: _footfall(booster, values[:rows])]
        for name, threads, count, way in (
            _peers(booster, some, values[:rows], folder) if with_peers else ()
        ):
            speeds.append(Speed(name, depth, trees, threads, count))
            ways.append(way)
        for number in range(rounds):
            for speed, way in zip(speeds, ways, strict=True):
                say(f"shap: round {number + 1} of {rounds}: {speed.name}, {speed.threads} threads")
                booster.set_param({"nthread": speed.threads})
                try:
                    seconds, theirs = way()
                except NotMeasured as reason:
                    say(f"shap: {speed.name}: {reason}")
                    continue
                speed.seconds.append(seconds)
                speed.differences.append(float(np.abs(theirs[: len(some)] - expected).max()))
        found += [speed for speed in speeds if speed.seconds]
    return found


def _footfall(booster: xgb.Booster, values: Values) -> tuple[float, Values]:
    return _timed(lambda: contributions(booster, values, NAMES).shap_values)


def _peers(
    booster: xgb.Booster, values: Values, every: Values, folder: Path
) -> Iterator[tuple[str, int, int, Callable[[], tuple[float, Values]]]]:
    from ml.plots import import_shap

    shap = import_shap()

    def native() -> Values:
        return np.asarray(booster.predict(matrix_of(values, NAMES), pred_contribs=True)[:, :-1])

    def library() -> Values:
        return np.asarray(shap.TreeExplainer(booster).shap_values(values))

    def woodelf() -> tuple[float, Values]:
        model, rows, found = (folder / name for name in ("model.ubj", "rows.npy", "found.npy"))
        booster.save_model(model)
        np.save(rows, every)
        return programs.woodelf(model, rows, found, folder), np.load(found)

    for threads in (1, 2):
        yield "xgboost pred_contribs", threads, len(values), lambda: _timed(native)
        yield "shap.TreeExplainer", threads, len(values), lambda: _timed(library)
    yield "woodelf", 1, len(every), woodelf  # like Footfall it makes tables first


def _timed(explain: Callable[[], Values]) -> tuple[float, Values]:
    started = time.perf_counter()
    found = explain()
    return time.perf_counter() - started, found


def show(speeds: Sequence[Speed], *, load: str) -> None:
    """Print a row per model and way."""
    table = Table(title=f"shap: rows explained, {COLUMNS} columns ({load})")
    table.add_column("by")
    for heading in ("trees", "threads", "rows", "median s", "rows/s", "times\nslower", "off by"):
        table.add_column(heading, justify="right")
    ours = {(one.depth, one.trees): one.rate for one in speeds if one.name == "Footfall"}
    for one in speeds:
        table.add_row(
            one.name,
            f"{one.trees} of depth {one.depth}",
            str(one.threads),
            f"{one.rows:,}",
            f"{statistics.median(one.seconds):.2f}",
            f"{one.rate:,.0f}",
            f"{ours[one.depth, one.trees] / one.rate:.1f}",
            f"{max(one.differences):.1e}",
        )
    Console(width=None if Console().is_terminal else 120).print(table)


def _rows(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows of which a tenth is missing, and labels that depend on a quarter of them."""
    chance = np.random.default_rng(1)
    values = chance.normal(size=(count, COLUMNS))
    strength = values[:, :10].sum(axis=1) + values[:, 0] * values[:, 1]
    labels = (strength + 2.0 * chance.normal(size=count) > 0.0).astype(np.float64)
    values[chance.random(values.shape) < 0.1] = np.nan
    return values, labels


def _grow(
    values: NDArray[np.float64], labels: NDArray[np.float64], depth: int, trees: int
) -> xgb.Booster:
    params = {
        "objective": "binary:logistic",
        "max_depth": depth,
        "colsample_bytree": 0.3,
        "nthread": 1,
        "seed": 1,
    }
    return xgb.train(params, matrix_of(values, NAMES, labels), trees)
