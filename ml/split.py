"""Split snapshots by time, so that nothing learnt overlaps what it is judged on.

    train … │ gap │ validation │ gap │ holdout │ gap │ as_of

A gap is the label's horizon: a snapshot is used for learning only if its labels had ended when the
next part begins. The grid is weekly: Saturdays 00:00 UTC.

A long horizon needs two long gaps: with one of 90 days, more than a year of events. Where history
is shorter, only the gap before the holdout is kept, and the number of trees is found on customers
whose rows they have not grown on, in the same weeks:

    train and validation, half of the customers each … │ gap │ holdout │ gap │ as_of
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml.errors import TooFewSnapshots
from ml.labels import Label

SATURDAY = 5
WEEK = timedelta(days=7)
SNAPSHOTS = 40  # weeks: nine months to learn from
HISTORY = timedelta(days=90)  # the longest window that counts; before it every customer looks new
VALIDATION = 4  # weeks: one alone would say how that week was
MINIMUM_TRAIN = 3
FOLDS = 3
LONG = timedelta(days=60)  # a horizon that two gaps of, and HISTORY, would fill most of a year


@dataclass(frozen=True)
class Split:
    """The as_ofs of each part, oldest first.

    Attributes:
        train: what trees are grown on.
        validation: what their number is found on.
        holdout: what the model is judged on.
        by_customers: whether train and validation are the same weeks of other customers.
    """

    train: tuple[datetime, ...]
    validation: tuple[datetime, ...]
    holdout: datetime
    by_customers: bool = False

    @property
    def fitted(self) -> tuple[datetime, ...]:
        """The snapshots that the stored model has seen: train and validation."""
        return self.train if self.by_customers else (*self.train, *self.validation)

    @property
    def told(self) -> tuple[datetime, datetime]:
        """The snapshots of which more than the features is read: the newest fitted, the holdout."""
        return self.fitted[-1], self.holdout

    @property
    def all(self) -> tuple[datetime, ...]:
        """Every snapshot of the split, oldest first."""
        return (*self.fitted, self.holdout)


def saturdays(first: datetime, last: datetime) -> list[datetime]:
    """Return the Saturdays 00:00 UTC in ``[first, last]``, oldest first.

    >>> first, last = datetime(2017, 12, 1, tzinfo=UTC), datetime(2017, 12, 9, tzinfo=UTC)
    >>> [day.day for day in saturdays(first, last)]
    [2, 9]
    """
    day = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if day < first:
        day += timedelta(days=1)
    day += timedelta(days=(SATURDAY - day.weekday()) % 7)
    found = []
    while day <= last:
        found.append(day)
        day += WEEK
    return found


def snapshots_for(
    label: Label, *, first_event: datetime, as_of: datetime, limit: int = SNAPSHOTS
) -> list[datetime]:
    """Return the newest ``limit`` snapshots whose labels had ended by ``as_of``.

    Args:
        label: what is predicted.
        first_event: the shop's first event; the first snapshot has 90 days of history before it.
        as_of: nothing later is used.
        limit: at most so many.
    """
    return saturdays(first_event + HISTORY, as_of - label.horizon)[-limit:]


def split_by_time(as_ofs: Sequence[datetime], horizon: timedelta) -> Split:
    """Return the newest snapshot as holdout, and learn only from what was known at its time.

    Validation takes the newest 4 snapshots before the holdout's gap, or fewer where history is
    short. Where a horizon of 60 days or more leaves too little for a gap between train and
    validation, both are all snapshots before the holdout's gap, of other customers each.

    Raises:
        TooFewSnapshots: fewer than 3 snapshots are left to train on.
    """
    ordered = sorted(set(as_ofs))
    known = [day for day in ordered if day + horizon <= ordered[-1]]
    train: list[datetime] = []
    for weeks in range(min(VALIDATION, len(known)), 0, -1):
        validation = known[-weeks:]
        train = [day for day in known if day + horizon <= validation[0]]
        if len(train) >= MINIMUM_TRAIN:
            return Split(tuple(train), tuple(validation), ordered[-1])
    if horizon >= LONG and len(known) >= MINIMUM_TRAIN:
        return Split(tuple(known), tuple(known), ordered[-1], by_customers=True)
    raise TooFewSnapshots(
        f"{len(ordered)} weekly snapshots leave {len(train)} to train on after two gaps of "
        f"{horizon.days} days (at least {MINIMUM_TRAIN} are needed): the history is too short"
    )


@dataclass(frozen=True)
class Fold:
    """Snapshots to learn from, and later ones to judge by, after the gap; each oldest first.

    With ``by_customers`` they are the same, and other customers' rows are judged by.
    """

    train: tuple[datetime, ...]
    validation: tuple[datetime, ...]
    by_customers: bool = False


def forward_folds(split: Split, horizon: timedelta, *, limit: int = FOLDS) -> list[Fold]:
    """Return the split's own train and validation, and the same some validations earlier.

        train | gap | validation
        train … … … | gap | validation
        train … … … … … … | gap | validation

    No fold sees the holdout, nor anything that was not known when its validation began.

    Returns:
        At most ``limit`` folds, oldest first; fewer where less than 3 snapshots are left to train
        on; one where the split is by customers.
    """
    folds = [Fold(split.train, split.validation, split.by_customers)]
    if split.by_customers:
        return folds
    while len(folds) < limit:
        earlier = [day for day in split.fitted if day < folds[0].validation[0]]
        validation = earlier[-len(split.validation) :]
        train = [day for day in earlier if validation and day + horizon <= validation[0]]
        if len(train) < MINIMUM_TRAIN:
            break
        folds.insert(0, Fold(tuple(train), tuple(validation)))
    return folds
