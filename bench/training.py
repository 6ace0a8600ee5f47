"""What training costs, beside XGBoost itself, LightGBM and scikit-learn; the part ``training``.

Each contender is a process of its own, which reads the same two files, grows as many trees of the
same depth with as many threads, and judges the same rows that it has not seen.
"""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.peers import programs
from bench.process import NotMeasured, run

COLUMNS = 40
TREES = 100
DEPTH = 4
THREADS = 1
JUDGED_ROWS = 100_000
PROGRAM = Path(__file__).parent / "peers" / "grow.py"
FOOTFALL = "ml.train.fit"
PEERS = ("xgboost", "lightgbm", "scikit-learn")


@dataclass
class Grower:
    """One way of growing the trees, with its runs so far; ``problem`` says why there are none."""

    name: str
    seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    auc: float = 0.5
    problem: str | None = None


def measure(
    *, rows: int, rounds: int, with_peers: bool, folder: Path, say: Callable[[str], None]
) -> list[Grower]:
    """Let each grow its trees once per round, in turn.

    Args:
        rows: to learn from.
        rounds: how often.
        with_peers: False leaves the peers out.
        folder: for the rows, and for the environment of LightGBM.
        say: tells how far it is.
    """
    say(f"training: making {rows:,} rows of {COLUMNS} columns")
    values, labels = made_up(rows + JUDGED_ROWS)
    np.save(folder / "values.npy", values)
    np.save(folder / "labels.npy", labels)
    growers = [Grower(name) for name in (FOOTFALL, *(PEERS if with_peers else ()))]
    for number in range(1, rounds + 1):
        for grower in growers:
            say(f"training: round {number} of {rounds}: {grower.name}")
            try:
                _grow(grower, folder)
            except NotMeasured as reason:
                grower.problem = str(reason)
    return growers


def _grow(grower: Grower, folder: Path) -> None:
    python = (
        programs.environment("lightgbm", folder) if grower.name == "lightgbm" else sys.executable
    )
    task = {
        "library": grower.name,
        "values": str(folder / "values.npy"),
        "labels": str(folder / "labels.npy"),
        "judged": JUDGED_ROWS,
        "trees": TREES,
        "depth": DEPTH,
        "threads": THREADS,
    }
    done = run([python, PROGRAM], cwd=PROGRAM.parents[2], given=json.dumps(task))
    told = json.loads(done.output)
    grower.seconds.append(told["seconds"])
    grower.peak_mb.append(done.peak_mb)
    grower.auc = told["auc"]


def made_up(rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return float64[rows, 40] with a tenth missing, and labels that a quarter of it decides."""
    chance = np.random.default_rng(1)
    values = chance.normal(size=(rows, COLUMNS))
    strength = values[:, :10].sum(axis=1) + 2.0 * values[:, 0] * values[:, 1]
    labels = (strength + 2.0 * chance.normal(size=rows) > 1.0).astype(np.float64)
    values[chance.random(values.shape) < 0.1] = np.nan
    return values, labels


def show(growers: Sequence[Grower], *, rows: int, load: str) -> None:
    """Print a row per contender; **times** is to Footfall's median."""
    title = f"training: {rows:,} rows x {COLUMNS}, {TREES} trees of depth {DEPTH}, {THREADS} thread"
    table = Table(title=f"{title} ({load})")
    table.add_column("by")
    for heading in ("median s", "min s", "max s", "times", "AUC", "peak\nRSS MB"):
        table.add_column(heading, justify="right")
    own = statistics.median(growers[0].seconds) if growers[0].seconds else None
    for one in growers:
        if not one.seconds:
            table.add_row(one.name, "see below")
            continue
        median = statistics.median(one.seconds)
        table.add_row(
            one.name,
            f"{median:.2f}",
            f"{min(one.seconds):.2f}",
            f"{max(one.seconds):.2f}",
            f"{median / own:.2f}" if own else "–",
            f"{one.auc:.4f}",
            f"{max(one.peak_mb):,.0f}",
        )
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    for one in growers:
        if one.problem:
            console.print(f"{one.name}: {one.problem}", highlight=False, markup=False)
