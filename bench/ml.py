"""The section ``ml``: how good the models are, and what training, explaining and scoring cost.

A part is one line of ``PARTS`` and one function, which imports what it measures only when asked.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.process import NotMeasured
from bench.server import counting_postgres

EXPLAINED_ROWS, PEER_ROWS = 100_000, 5_000
ROWS = 1_000_000
CUSTOMERS = 4_000


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        rounds: how often each contender of ``training`` and ``shap`` runs.
        rows: how many rows ``training`` learns from.
        customers: how many people come to the shop of ``oracle``.
        with_peers: False leaves the peers out.
        online_shoppers: the data set's CSV; None = not given.
        folder: for files, servers and the peers' environments.
        say: tells how far it is.
    """

    rounds: int
    rows: int
    customers: int
    with_peers: bool
    online_shoppers: Path | None
    folder: Path
    say: Callable[[str], None]


def measure(parts: Sequence[str], asked: Asked) -> None:
    """Measure the parts one after the other and print each one's table."""
    out = Console(soft_wrap=True, highlight=False, markup=False)
    for part in parts:
        load = f"load average {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores"
        try:
            PARTS[part](asked, load)
        except NotMeasured as reason:
            out.print(f"{part}: {reason}")


def _shoppers(asked: Asked, load: str) -> None:
    from bench import shoppers

    shoppers.show(shoppers.measure(asked.online_shoppers, say=asked.say), load=load)


def _churn(asked: Asked, load: str) -> None:
    from bench import real_year

    with _postgres(asked) as admin_dsn:
        trained = real_year.measure(admin_dsn, real_year.CLASSES, say=asked.say)
        real_year.show(trained, load=load)


def _value(asked: Asked, load: str) -> None:
    from bench import real_year

    with _postgres(asked) as admin_dsn:
        trained = real_year.measure(admin_dsn, real_year.AMOUNTS, say=asked.say)
        real_year.show_amounts(trained, load=load)


def _oracle(asked: Asked, load: str) -> None:
    from bench import oracle

    with _postgres(asked) as admin_dsn:
        found = oracle.measure(admin_dsn, customers=asked.customers, say=asked.say)
        oracle.show(found, load=load)


def _training(asked: Asked, load: str) -> None:
    from bench import training

    growers = training.measure(
        rows=asked.rows,
        rounds=asked.rounds,
        with_peers=asked.with_peers,
        folder=asked.folder,
        say=asked.say,
    )
    training.show(growers, rows=asked.rows, load=load)


def _memory(asked: Asked, load: str) -> None:
    from bench import external_memory

    points = external_memory.measure(
        sizes=external_memory.SIZES,
        rounds=external_memory.ROUNDS,
        batch_rows=external_memory.BATCH_ROWS,
        folder=asked.folder,
        say=asked.say,
    )
    external_memory.show(points, load=load)


def _shap(asked: Asked, load: str) -> None:
    from bench import shap

    speeds = shap.measure(
        rows=EXPLAINED_ROWS,
        peer_rows=PEER_ROWS,
        rounds=asked.rounds,
        with_peers=asked.with_peers,
        folder=asked.folder,
        say=asked.say,
    )
    shap.show(speeds, load=load)


def _scoring(asked: Asked, load: str) -> None:
    from bench import scoring

    with _postgres(asked) as admin_dsn:
        scored = scoring.measure(admin_dsn, sizes=scoring.SIZES, folder=asked.folder, say=asked.say)
        scoring.show(scored, load=load)


@contextmanager
def _postgres(asked: Asked) -> Iterator[str]:
    """Run a Postgres of the part's own."""
    asked.say("starting Postgres")
    with counting_postgres(asked.folder) as admin_dsn:
        yield admin_dsn


PARTS: dict[str, Callable[[Asked, str], None]] = {
    "shoppers": _shoppers,
    "churn": _churn,
    "value": _value,
    "oracle": _oracle,
    "training": _training,
    "memory": _memory,
    "shap": _shap,
    "scoring": _scoring,
}
