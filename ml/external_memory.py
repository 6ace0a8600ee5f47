"""Let XGBoost read rows that do not fit into memory from a file, in batches.

XGBoost's own external memory: each batch is put into bins once, and the bins are kept in files
beside the values. The bins, and so the trees, are those of the same rows in memory.
https://xgboost.readthedocs.io/en/release_3.2.0/tutorials/external_memory.html
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

Batch = tuple[NDArray[np.float64], NDArray[np.float64]]


def batches(
    values: NDArray[np.float64], labels: NDArray[np.float64], batch_rows: int
) -> Iterator[Batch]:
    """Yield values float64[m, k] and labels float64[m], m at most ``batch_rows``, in order."""
    for start in range(0, len(labels), batch_rows):
        part = slice(start, start + batch_rows)
        yield np.array(values[part]), labels[part]


def grow_from_file(
    values: np.memmap[Any, np.dtype[np.float64]],
    labels: NDArray[np.float64],
    names: tuple[str, ...],
    *,
    batch_rows: int,
    grow: Callable[[xgb.DMatrix], xgb.Booster],
) -> xgb.Booster:
    """Return what ``grow`` makes of the rows; XGBoost's own files lie beside them meanwhile."""
    with TemporaryDirectory(dir=Path(str(values.filename)).parent) as folder:
        return _grown(_Batches(values, labels, names, batch_rows, folder), grow)


def _grown(source: "_Batches", grow: Callable[[xgb.DMatrix], xgb.Booster]) -> xgb.Booster:
    """Return a copy: the booster itself holds on to its rows, whose files are to go."""
    return grow(xgb.ExtMemQuantileDMatrix(source, nthread=1)).copy()


class _Batches(xgb.DataIter):
    def __init__(
        self,
        values: NDArray[np.float64],
        labels: NDArray[np.float64],
        names: tuple[str, ...],
        batch_rows: int,
        folder: str,
    ) -> None:
        self._again: Callable[[], Iterator[Batch]] = lambda: batches(values, labels, batch_rows)
        self._left = self._again()
        self._names = list(names)
        super().__init__(cache_prefix=str(Path(folder, "bins")))

    def next(self, input_data: Callable[..., None]) -> bool:
        """Hand over the next batch, as XGBoost asks."""
        batch = next(self._left, None)
        if batch is not None:
            input_data(data=batch[0], label=batch[1], feature_names=self._names)
        return batch is not None

    def reset(self) -> None:
        """Begin again."""
        self._left = self._again()
