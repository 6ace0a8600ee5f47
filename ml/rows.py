"""Labelled snapshots as arrays, snapshot after snapshot: in memory, or in a file beyond it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.errors import TooFewRows
from ml.features import matrix
from ml.split import FOLDS, VALIDATION, Fold, Split
from ml.train import BATCH_ROWS, Sample

VALUES_FILE = "values.f64"
MOST_WEEKS = VALIDATION * FOLDS


@dataclass(frozen=True)
class Rows:
    """Labelled snapshots.

    Attributes:
        everything: all rows, in the order that they came in.
        spans: first row and the row after the last one, of each snapshot.
        sha256: of who, when, features and labels, in this order; however the rows were cut.
        aside: of the rows of some snapshots, the columns that are not learnt from.
    """

    everything: Sample
    spans: Mapping[datetime, tuple[int, int]]
    sha256: str
    aside: Mapping[datetime, pd.DataFrame]

    def sample(self, as_ofs: Sequence[datetime]) -> Sample:
        """Return the rows of these snapshots: a view where they follow each other, else a copy."""
        spans = [self.spans[as_of] for as_of in as_ofs if as_of in self.spans]
        if all(end == start for (_, end), (start, _) in zip(spans, spans[1:], strict=False)):
            return self.everything.rows(slice(spans[0][0], spans[-1][1]) if spans else slice(0))
        which = np.zeros(len(self.everything.labels), dtype=bool)
        for start, end in spans:
            which[start:end] = True
        return self.everything.rows(which)

    def sizes(self, as_ofs: Sequence[datetime]) -> list[int]:
        """Return how many rows each of these snapshots has, in the order of `sample`."""
        return [end - start for start, end in sorted(self.spans.get(day, (0, 0)) for day in as_ofs)]

    def beside(self, as_of: datetime) -> pd.DataFrame:
        """Return what was kept aside of a snapshot; an empty frame if nothing was."""
        return self.aside.get(as_of, pd.DataFrame())

    def fold(self, fold: Fold | Split) -> tuple[Sample, Sample]:
        """Return what trees are grown on, and what their number is found on, whole in memory."""
        train, validation = self.sample(fold.train), self.sample(fold.validation)
        if fold.by_customers:
            return of_half(train, half=False), of_half(validation, half=True).in_memory()
        return train, validation.in_memory()

    def weeks(self, fold: Fold | Split) -> list[tuple[datetime, Sample]]:
        """Return the validation snapshots, one sample each; of many some, evenly spaced."""
        step = -(-len(fold.validation) // MOST_WEEKS)
        found = [(week, self.sample([week])) for week in fold.validation[::-step]]
        if fold.by_customers:
            found = [(week, of_half(sample, half=True)) for week, sample in found]
        return found[::-1]


def of_half(sample: Sample, *, half: bool) -> Sample:
    """Return the rows of one half of the customers.

    Raises:
        ValueError: the halves are not known.
    """
    if sample.halves is None:
        raise ValueError("which half of the customers the rows are of is not known")
    return sample.rows(sample.halves == half)


def rows_of(
    frames: Iterable[pd.DataFrame],
    names: tuple[str, ...],
    *,
    folder: Path | None = None,
    batch_rows: int = BATCH_ROWS,
    aside: Sequence[datetime] = (),
) -> Rows:
    """Put the parts of labelled snapshots together.

    Args:
        frames: ``customer_id``, ``as_of`` (UTC), the features and ``label``; the rows of a snapshot
            follow each other, and may be cut into several frames.
        names: the features.
        folder: where the values are written to; None = they stay in memory.
        batch_rows: how many rows of the file are read at once.
        aside: the snapshots whose other columns are kept, too.

    Raises:
        TooFewRows: there is no row.
        UnknownColumns: a frame lacks a feature.
        ValueError: a snapshot goes on after another one has begun.
    """
    digest, spans, rows = _Digest(names), dict[datetime, tuple[int, int]](), 0
    values, labels, halves = [], [], []
    others: dict[datetime, list[pd.DataFrame]] = {as_of: [] for as_of in aside}
    with ExitStack() as stack:
        file = stack.enter_context((folder / VALUES_FILE).open("wb")) if folder else None
        for part in frames:
            frame = part.sort_values("as_of", kind="stable")
            found = matrix(frame, names)
            digest.update(frame, found)
            if file:
                file.write(found.astype("<f8").tobytes())
            else:
                values.append(found)
            unread = [name for name in frame.columns if name not in names]
            for as_of, kept in others.items():
                kept.append(frame[frame["as_of"] == as_of][unread])
            labels.append(frame["label"].to_numpy(dtype=np.float64))
            halves.append(np.array([crc32(who.encode()) & 1 for who in frame["customer_id"]]) == 1)
            counts = frame["as_of"].value_counts(sort=False).sort_index()
            for as_of, count in zip(pd.DatetimeIndex(counts.index), counts, strict=True):
                start, end = spans.get(as_of.to_pydatetime(), (rows, rows))
                if end != rows:
                    raise ValueError(f"the rows of {as_of.isoformat()} do not follow each other")
                rows += int(count)
                spans[as_of.to_pydatetime()] = (start, rows)
    if rows == 0:
        raise TooFewRows("no customer has a label in these snapshots; collect more orders")
    stored: NDArray[np.float64] = (
        np.memmap(folder / VALUES_FILE, dtype="<f8", mode="r", shape=(rows, len(names)))
        if folder
        else _joined(values)
    )
    everything = Sample(stored, _joined(labels), names, _joined(halves), batch_rows)
    beside = {as_of: pd.concat(kept, ignore_index=True) for as_of, kept in others.items()}
    return Rows(everything, spans, digest.hexdigest(), beside)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class _Digest:
    """A hash of customers, instants, and values with labels; the cuts between frames leave it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._who, self._when, self._what = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()

    def update(self, frame: pd.DataFrame, values: NDArray[np.float64]) -> None:
        self._who.update("".join(f"{who}\n" for who in frame["customer_id"]).encode())
        self._when.update("".join(f"{as_of.isoformat()}\n" for as_of in frame["as_of"]).encode())
        whole = np.column_stack([values, frame["label"].to_numpy(dtype=np.float64)])
        self._what.update(np.where(np.isnan(whole), np.nan, whole + 0.0).astype("<f8").tobytes())

    def hexdigest(self) -> str:
        parts = (self._who, self._when, self._what)
        text = "\n".join([",".join(self._names), *(part.hexdigest() for part in parts)])
        return hashlib.sha256(text.encode()).hexdigest()
