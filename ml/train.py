"""Fit gradient-boosted trees, the same bytes each time.

Histogram trees, one seed, a fixed number of threads: the same rows give the same artefact, so that
its SHA-256 names the model. How many trees is found on the validation snapshots; the stored model
is then fitted on train and validation together, and has never seen the holdout.

Where the rows lie decides how they are read: values in memory are handed over whole, values in a
file in batches (``ml.external_memory``), with the same bytes. A Dask cluster, if one is named,
grows the trees instead (``ml.dask_training``).
"""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from ml import dask_training, external_memory
from ml.errors import NoGpu, TooFewRows
from ml.explain import matrix_of

MINIMUM_ROWS = 200
MINIMUM_OF_A_CLASS = 20
BATCH_ROWS = 1_000_000
CLASSES = "binary:logistic"
AMOUNTS = "reg:tweedie"
TWEEDIE_POWER = 1.5  # of the variance: many customers buy nothing, the others by a gamma law


@dataclass(frozen=True)
class Params:
    """What the trees look like. Chosen by time-split validation on one grocery year.

    Attributes:
        monotone: features in which the prediction may only rise (1) or fall (-1).
        objective: what is minimised, by XGBoost's name for it.
        metric: what the validation snapshots are judged by, likewise; the lower the better.
        device: cpu or cuda.
        unit: labels are divided by it before trees are grown, so that amounts of any currency are
            about 1 and the parameters mean the same.
    """

    max_depth: int = 3
    learning_rate: float = 0.05
    min_child_weight: float = 20.0
    row_share: float = 0.8
    column_share: float = 0.3
    l2: float = 5.0
    most_rounds: int = 600
    patience: int = 40
    seed: int = 20170101
    threads: int = 1
    monotone: tuple[tuple[str, int], ...] = ()
    objective: str = CLASSES
    metric: str = "logloss"
    device: str = "cpu"
    unit: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters by name; a unit of 1 is none."""
        own = {**asdict(self), "monotone": dict(self.monotone)}
        return {name: value for name, value in own.items() if name != "unit" or value != 1.0}


@dataclass(frozen=True)
class Sample:
    """Rows to learn from or to be judged on.

    Attributes:
        values: float64[n, k]; NaN = missing. A memory map is read in batches, and never held whole.
        labels: float64[n]; of 0.0 and 1.0 where classes are predicted, else amounts from 0.0 on.
        names: the k columns.
        halves: bool[n], in which half of the customers a row's is; None = not known.
        batch_rows: how many rows of a memory map are read at once.
    """

    values: NDArray[np.float64]
    labels: NDArray[np.float64]
    names: tuple[str, ...]
    halves: NDArray[np.bool_] | None = None
    batch_rows: int = BATCH_ROWS

    @property
    def in_file(self) -> bool:
        """Whether the values lie in a file."""
        return isinstance(self.values, np.memmap)

    def in_memory(self) -> "Sample":
        """Return it with all its values in memory."""
        return replace(self, values=np.array(self.values)) if self.in_file else self

    def thinned(self) -> "Sample":
        """Return it in memory: of a file at most a batch, evenly spaced rows."""
        if not self.in_file:
            return self
        step = max(1, -(-len(self.labels) // self.batch_rows))
        return self.rows(slice(None, None, step)).in_memory()

    def rows(self, which: slice | NDArray[np.bool_]) -> "Sample":
        """Return some of the rows."""
        halves = None if self.halves is None else self.halves[which]
        return replace(self, values=self.values[which], labels=self.labels[which], halves=halves)


@dataclass(frozen=True)
class Grown:
    """Trees whose number was found on validation rows.

    Attributes:
        booster: the model of the best round.
        rounds: how many trees that is.
        loss: the validation rows' metric then.
    """

    booster: xgb.Booster
    rounds: int
    loss: float


def find_rounds(
    train: Sample, validation: Sample, params: Params, *, cluster: str | None = None
) -> Grown:
    """Grow trees until the validation metric has not fallen for ``patience`` rounds.

    Raises:
        TooFewRows: too few rows or one class only, in either sample.
        NoGpu: there is no GPU where one is asked for.
        NoCluster: the Dask scheduler does not answer.
    """
    _check_size("training", train, params)
    _check_size("validation", validation, params)
    booster = _grow(train, params, params.most_rounds, validation=validation, cluster=cluster)
    rounds = int(booster.best_iteration) + 1
    return Grown(booster[:rounds], rounds, float(booster.best_score))


def fit(sample: Sample, params: Params, *, rounds: int, cluster: str | None = None) -> xgb.Booster:
    """Grow exactly ``rounds`` trees.

    Args:
        sample: the rows; in memory or in a file, the bytes are the same.
        params: of the trees.
        rounds: how many.
        cluster: address of a Dask scheduler, whose workers grow them; None = this process does.
            Where rows are sampled the trees are then others than here, and as good.

    Raises:
        TooFewRows: fewer than 200 rows, or fewer than 20 of a class.
        NoGpu: there is no GPU where one is asked for.
        NoCluster: the Dask scheduler does not answer.
    """
    _check_size("training", sample, params)
    return _grow(sample, params, rounds, cluster=cluster)


def to_bytes(booster: xgb.Booster) -> bytes:
    """Return the model in XGBoost's own binary format (UBJSON)."""
    return bytes(booster.save_raw(raw_format="ubj"))


def from_bytes(artefact: bytes, *, threads: int = Params.threads) -> xgb.Booster:
    """Return the model that `to_bytes` wrote."""
    booster = xgb.Booster({"nthread": threads})
    booster.load_model(bytearray(artefact))
    return booster


def sha256(artefact: bytes) -> str:
    """Return the hash that names an artefact."""
    return hashlib.sha256(artefact).hexdigest()


def _grow(
    sample: Sample,
    params: Params,
    rounds: int,
    *,
    validation: Sample | None = None,
    cluster: str | None,
) -> xgb.Booster:
    native = _native(params, sample.names)
    sample = _in_units(sample, params)
    validation = _in_units(validation, params) if validation else None
    patience = params.patience if validation else None
    if cluster:
        return dask_training.grow(
            cluster,
            native,
            rounds,
            data=(sample.values, sample.labels),
            batch_rows=sample.batch_rows,
            validation=(validation.values, validation.labels) if validation else None,
            names=sample.names,
            patience=patience,
        )
    _check_device(params)

    def grow(data: xgb.DMatrix) -> xgb.Booster:
        return xgb.train(
            native,
            data,
            rounds,
            evals=[(_whole(validation), "validation")] if validation else [],
            early_stopping_rounds=patience,
            verbose_eval=False,
        )

    if isinstance(sample.values, np.memmap):
        return external_memory.grow_from_file(
            sample.values, sample.labels, sample.names, batch_rows=sample.batch_rows, grow=grow
        )
    return grow(_whole(sample))


def _in_units(sample: Sample, params: Params) -> Sample:
    return sample if params.unit == 1.0 else replace(sample, labels=sample.labels / params.unit)


def _whole(sample: Sample) -> xgb.DMatrix:
    return matrix_of(sample.values, sample.names, sample.labels)


def _native(params: Params, names: tuple[str, ...]) -> dict[str, object]:
    native = {
        "objective": params.objective,
        "eval_metric": params.metric,
        "tree_method": "hist",
        "max_depth": params.max_depth,
        "eta": params.learning_rate,
        "min_child_weight": params.min_child_weight,
        "subsample": params.row_share,
        "colsample_bytree": params.column_share,
        "lambda": params.l2,
        "seed": params.seed,
        "nthread": params.threads,
        "device": params.device,
    }
    if params.objective == AMOUNTS:
        native["tweedie_variance_power"] = TWEEDIE_POWER
    monotone = {name: sign for name, sign in params.monotone if name in names}
    return {**native, "monotone_constraints": monotone} if monotone else native


def _check_device(params: Params) -> None:
    """Ask XGBoost for one tree: without a GPU it would go on without a word to the caller."""
    if params.device == "cpu":
        return
    with xgb.config_context(verbosity=0):
        booster = xgb.train({"device": params.device}, xgb.DMatrix([[0.0]], [0.0]), 1)
    if '"device":"cpu"' in booster.save_config().replace(" ", ""):
        raise NoGpu(
            f"there is no GPU for the device {params.device!r}; train on one's machine, or on the "
            "CPU: FOOTFALL_DEVICE=cpu"
        )


def _check_size(part: str, sample: Sample, params: Params) -> None:
    rows, positives = len(sample.labels), int((sample.labels > 0.0).sum())
    counted, needed = [(positives, "with an amount")], "with an amount"
    if params.objective == CLASSES:
        counted = [(positives, "positives"), (rows - positives, "negatives")]
        needed = "of each class"
    few, rarer = min(counted)
    if rows < MINIMUM_ROWS or few < MINIMUM_OF_A_CLASS:
        raise TooFewRows(
            f"the {part} snapshots have {rows} rows, {few} of them {rarer}; at least "
            f"{MINIMUM_ROWS} rows and {MINIMUM_OF_A_CLASS} {needed} are needed: "
            "collect more orders"
        )
