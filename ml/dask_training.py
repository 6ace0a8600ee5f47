"""Grow trees on the workers of a Dask cluster, by XGBoost's own integration.

https://xgboost.readthedocs.io/en/release_3.2.0/tutorials/dask.html

The rows are sent to the workers in batches, turn and turn about, so that none needs them all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any

import xgboost as xgb

from ml.errors import NoCluster
from ml.external_memory import Batch, batches

if TYPE_CHECKING:
    from distributed import Client

ANSWER_SECONDS = 20


def grow(
    scheduler: str,
    native: dict[str, object],
    rounds: int,
    *,
    data: Batch,
    batch_rows: int,
    validation: Batch | None,
    names: Sequence[str],
    patience: int | None,
) -> xgb.Booster:
    """Grow trees on every worker of the cluster.

    Args:
        scheduler: its address, such as ``tcp://scheduler.example:8786``.
        native: parameters as XGBoost takes them.
        rounds: how many trees, or at most so many where there are validation rows.
        data: values float64[n, k], in memory or in a file, and labels float64[n].
        batch_rows: at most so many rows are sent at once.
        validation: rows to stop early on.
        names: the k columns.
        patience: stop when the validation metric has not fallen for so many rounds.

    Raises:
        NoCluster: the scheduler does not answer, or has no worker.
    """
    from xgboost import dask as xgb_dask

    with _client(scheduler) as client:

        def spread(part: Batch, ref: Any = None) -> Any:
            values, labels = _spread(client, part, batch_rows)
            return xgb_dask.DaskQuantileDMatrix(
                client, values, labels, feature_names=list(names), ref=ref
            )

        train = spread(data)
        result = xgb_dask.train(
            client,
            native,
            train,
            rounds,
            evals=[(spread(validation, train), "validation")] if validation else [],
            early_stopping_rounds=patience,
            verbose_eval=False,
        )
    booster: xgb.Booster = result["booster"]
    return booster


@contextmanager
def _client(scheduler: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout=ANSWER_SECONDS)
    except (OSError, ValueError) as error:
        raise NoCluster(
            f"no Dask scheduler answers at {scheduler!r} ({type(error).__name__}); start it, or "
            "train here: unset FOOTFALL_DASK_SCHEDULER"
        ) from None
    with client:
        yield client


def _spread(client: "Client", part: Batch, batch_rows: int) -> tuple[Any, Any]:
    """Send the rows to the workers; return values and labels as Dask arrays."""
    from dask import array

    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    if not workers:
        raise NoCluster(
            "the Dask cluster has no worker; start one, or train without FOOTFALL_DASK_SCHEDULER"
        )
    share = -(-len(part[1]) // len(workers))
    values: list[Any] = []
    labels: list[Any] = []
    for worker, batch in zip(cycle(workers), batches(*part, min(share, batch_rows)), strict=False):
        for rows, sent in zip(batch, (values, labels), strict=True):
            future = client.scatter(rows, workers=[worker], hash=False)
            sent.append(array.from_delayed(future, rows.shape, rows.dtype))
    return array.concatenate(values), array.concatenate(labels)
