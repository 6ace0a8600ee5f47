"""Online Shoppers (UCI) by Footfall's own trees: cross-validated; the part ``shoppers``.

Sakar et al., "Real-time prediction of online shoppers' purchasing intention using multilayer
perceptron and LSTM recurrent neural networks" (2019). The file is the data set's CSV, gzipped or
not: https://archive.ics.uci.edu/dataset/468
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import StratifiedKFold

from bench.process import NotMeasured
from ml.calibrate import Calibration
from ml.evaluate import Metrics, evaluate
from ml.explain import margins
from ml.train import Params, Sample, fit

LABEL, PAGE_VALUES = "Revenue", "PageValues"
# Numbers that name something; their order means nothing.
KINDS = ("Month", "VisitorType", "OperatingSystems", "Browser", "Region", "TrafficType")
FOLDS = 10
ROUNDS = 200
PARAMS = Params(max_depth=4, min_child_weight=5.0, column_share=0.8)
PUBLISHED = "0.937 / 0.754"  # XGBoost, Heliyon 2023
WANTED = ("at least 0.93 / 0.74", "0.789 / 0.379, as other code found")


@dataclass(frozen=True)
class Judged:
    """The sessions' metrics, each session judged by trees that have not seen it."""

    what: str
    metrics: Metrics


def measure(file: Path | None, *, say: Callable[[str], None]) -> list[Judged]:
    """Cross-validate with all columns, then without what the shop only knows afterwards.

    Raises:
        NotMeasured: no file was given, or it is not this data set.
    """
    if file is None:
        raise NotMeasured("give the data set's CSV with --online-shoppers FILE")
    sessions = read(file)
    found = []
    for what, frame in (
        ("all columns", sessions),
        (f"without {PAGE_VALUES}", sessions.drop(columns=PAGE_VALUES)),
    ):
        say(f"shoppers: {FOLDS} folds, {what}")
        found.append(Judged(what, cross_validate(sample(frame))))
    return found


def read(file: Path) -> pd.DataFrame:
    """Return one row per session: numbers, one column per kind of something, and the label.

    Raises:
        NotMeasured: the file cannot be read, or lacks columns.
    """
    try:
        sessions = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise NotMeasured(f"{file}: {error}") from None
    if lacking := [name for name in (*KINDS, LABEL, PAGE_VALUES) if name not in sessions.columns]:
        raise NotMeasured(f"{file} has no column {lacking[0]}: it is not the data set")
    return pd.get_dummies(sessions, columns=list(KINDS)).astype(np.float64)


def sample(sessions: pd.DataFrame) -> Sample:
    """Return the sessions as rows to learn from."""
    features = sessions.drop(columns=LABEL)
    return Sample(features.to_numpy(), sessions[LABEL].to_numpy(), tuple(features.columns))


def cross_validate(sessions: Sample) -> Metrics:
    """Judge every session by trees grown on the other nine tenths; the label's share is kept."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=PARAMS.seed)
    found = np.zeros(len(sessions.labels))
    for seen, unseen in folds.split(sessions.values, sessions.labels):
        learnt = Sample(sessions.values[seen], sessions.labels[seen], sessions.names)
        booster = fit(learnt, PARAMS, rounds=ROUNDS)
        found[unseen] = margins(booster, sessions.values[unseen], sessions.names)
    return evaluate(sessions.labels, Calibration().probabilities(found))


def show(judged: Sequence[Judged], *, load: str) -> None:
    """Print a row per set of columns."""
    table = Table(title=f"shoppers: Online Shoppers (UCI), {FOLDS} folds ({load})")
    table.add_column("columns")
    for heading in ("sessions", "AUC", "AP", "calibration\nerror", "published\nAUC / AP", "wanted"):
        table.add_column(heading, justify="right")
    for one, wanted in zip(judged, WANTED, strict=True):
        whole = one is judged[0]
        table.add_row(
            one.what,
            f"{one.metrics.rows:,}",
            f"{one.metrics.auc:.3f}",
            f"{one.metrics.average_precision:.3f}",
            f"{one.metrics.ece_equal_count:.3f}",
            PUBLISHED if whole else "–",
            wanted,
        )
    Console(width=None if Console().is_terminal else 120).print(table)
