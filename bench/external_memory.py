"""The part ``external memory``: the memory that training takes, from memory and from a file.

``python -m bench.external_memory`` is a quick look; each line is a process of its own, which makes
the same rows, trains on them and names the bytes of its model.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

from bench.process import PeakMemory, run
from ml.catalogue import MODEL_FEATURES
from ml.rows import rows_of
from ml.train import Params, fit, sha256, to_bytes

SIZES = (250_000, 500_000, 1_000_000)
SNAPSHOT_ROWS = 50_000
BATCH_ROWS = 50_000
ROUNDS = 20
FIRST = datetime(2026, 1, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Point:
    """One training: how many rows, from where, what it took, and which model came of it."""

    rows: int
    from_file: bool
    seconds: float
    peak_mb: float
    sha256: str


class OwnMemory(PeakMemory):
    """The same without pages of files: the kernel drops those when memory is short."""

    def _resident(self, process: psutil.Process) -> int:
        memory = process.memory_info()
        return int(memory.rss - memory.shared)


def measure(
    *, sizes: Sequence[int], rounds: int, batch_rows: int, folder: Path, say: Callable[[str], None]
) -> list[Point]:
    """Train on each number of rows, from memory and from a file.

    Args:
        sizes: how many rows.
        rounds: how many trees.
        batch_rows: how many rows of the file are in memory at once.
        folder: where the file is put.
        say: tells how far it is.

    Raises:
        NotMeasured: a training failed.
    """
    points = []
    for rows in sizes:
        for from_file in (False, True):
            say(f"external memory: {rows:,} rows from {'a file' if from_file else 'memory'}")
            with tempfile.TemporaryDirectory(dir=folder) as own:
                given = [str(rows), str(rounds), str(batch_rows), own if from_file else ""]
                done = run(
                    [sys.executable, "-m", "bench.external_memory", "--train", *given],
                    cwd=Path(__file__).parents[1],
                    memory=OwnMemory,
                )
            points.append(Point(rows, from_file, done.seconds, done.peak_mb, done.output.strip()))
    return points


def show(points: Sequence[Point], *, load: str) -> None:
    """Print one line per training."""
    table = Table(title=f"training on {len(MODEL_FEATURES)} features ({load})")
    for column in ("rows", "from", "seconds", "peak MB, own pages", "model"):
        table.add_column(column, justify="right")
    for point in points:
        source = "file" if point.from_file else "memory"
        numbers = f"{point.seconds:.1f}", f"{point.peak_mb:,.0f}"
        table.add_row(f"{point.rows:,}", source, *numbers, point.sha256[:8])
    Console(soft_wrap=True, highlight=False).print(table)


def frames(rows: int) -> Iterator[pd.DataFrame]:
    """Yield snapshots of made-up customers whose labels follow from the first feature."""
    for number, start in enumerate(range(0, rows, SNAPSHOT_ROWS)):
        chance = np.random.default_rng(number)
        customers = min(SNAPSHOT_ROWS, rows - start)
        values = chance.gamma(2.0, 3.0, (customers, len(MODEL_FEATURES)))
        frame = pd.DataFrame(values, columns=list(MODEL_FEATURES))
        frame["label"] = (chance.random(len(frame)) < 1 / (1 + np.exp(2 - values[:, 0] / 4))) * 1.0
        frame["as_of"] = pd.Timestamp(FIRST + number * timedelta(days=7))
        frame["customer_id"] = [f"c{customer}" for customer in range(customers)]
        yield frame


def train(rows: int, rounds: int, batch_rows: int, folder: str) -> str:
    """Train here, from a file if a folder is named; return the model's hash."""
    read = rows_of(
        frames(rows),
        MODEL_FEATURES,
        folder=Path(folder) if folder else None,
        batch_rows=batch_rows,
    )
    return sha256(to_bytes(fit(read.everything, Params(), rounds=rounds)))


def main() -> None:
    """Train once and print the hash, or measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.external_memory")
    parser.add_argument("--train", nargs=4, metavar=("ROWS", "ROUNDS", "BATCH_ROWS", "FOLDER"))
    parser.add_argument("--rows", type=int, action="append", help="default: three sizes")
    options = parser.parse_args()
    if options.train:
        rows, rounds, batch_rows, folder = options.train
        sys.stdout.write(train(int(rows), int(rounds), int(batch_rows), folder) + "\n")
        return
    load = f"load average {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores"
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder:
        points = measure(
            sizes=options.rows or SIZES,
            rounds=ROUNDS,
            batch_rows=BATCH_ROWS,
            folder=Path(folder),
            say=lambda text: print(text, file=sys.stderr),
        )
    show(points, load=load)


if __name__ == "__main__":
    main()
