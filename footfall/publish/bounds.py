"""Is a publication too different from the live one? Numbers in, breaches out.

What is compared: how many customers of the live version would be gone, how far the mean of each
score would move, how many customers would change their segment, and what drift was measured.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from footfall.storefront.record import SCORES

LONGEST_STEP_DAYS = 31
"""Scores and segments of instants further apart may differ at will: the bounds are for one step."""
MANUAL = "look at it: footfall publications explain; to publish anyway: footfall publish --accept"


@dataclass(frozen=True)
class Contents:
    """What a version holds, in numbers.

    Attributes:
        records: how many customers have a record.
        means: the mean probability of each score, among the records that have it.
        segments: customers by segment; '' is none.
        base_rates: records with a base rate in the place of a score.
        layout: what all records depend on: the fields that there are, and the experiment.
        scored: how many records have each score; None: the numbers are not of the records that
            there are now, some were taken out since.
        first_expiry: when the first of the records expires, in ISO 8601; None: nobody knows.
    """

    records: int
    means: Mapping[str, float]
    segments: Mapping[str, int]
    base_rates: int
    layout: tuple[str, ...]
    scored: Mapping[str, int] | None
    first_expiry: str | None


@dataclass
class Tally:
    """Contents, as they are added up record by record."""

    layout: tuple[str, ...]
    records: int = 0
    base_rates: int = 0
    segments: Counter[str] = field(default_factory=Counter)
    sums: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, numbers: Mapping[str, float], segment: str | None, base_rate: bool) -> None:
        """Count one record in: its numbers by field, of which the probabilities count."""
        self.records += 1
        self.base_rates += base_rate
        self.segments[segment or ""] += 1
        for name in SCORES:
            probability = numbers.get(name)
            if probability is not None:
                self.sums[name] = self.sums.get(name, 0.0) + probability
                self.counts[name] += 1

    def contents(self, first_expiry: datetime) -> Contents:
        """Return what was counted, of records of which the first expires at an instant."""
        scored = {name: self.counts[name] for name in SCORES}
        return Contents(
            self.records,
            {name: self.sums[name] / count for name, count in scored.items() if count},
            dict(sorted(self.segments.items())),
            self.base_rates,
            self.layout,
            scored,
            first_expiry.isoformat(),
        )


@dataclass(frozen=True)
class Comparison:
    """One version, or what a delta would make of it, beside the one that it replaces.

    Attributes:
        version: the one that is replaced.
        before: how many customers have a record in it.
        kept: how many of them have one still.
        new: how many customers have one only now.
        changed: how many of the kept ones have another record.
        segment_changed: how many of the kept ones are in another segment.
        means_before: the mean of each score; empty where it is not known.
        means_after: the same.
        days: from the one as_of to the other.
        drift: the measured drift of each model in a word.
    """

    version: str
    before: int
    kept: int
    new: int
    changed: int
    segment_changed: int
    means_before: Mapping[str, float]
    means_after: Mapping[str, float]
    days: float
    drift: Mapping[str, str]

    @property
    def gone(self) -> int:
        """How many customers lose their record."""
        return self.before - self.kept

    @property
    def shifts(self) -> dict[str, float]:
        """How far the mean of each score moves, where both know it."""
        return {
            name: self.means_after[name] - self.means_before[name]
            for name in SCORES
            if name in self.means_before and name in self.means_after
        }

    def line(self) -> str:
        """Return the comparison in one line."""
        shifts = "".join(f", {name} {shift:+.4f}" for name, shift in self.shifts.items())
        drift = "".join(f", drift of {name}: {word}" for name, word in sorted(self.drift.items()))
        return (
            f"beside version {self.version}: {self.kept:,} of {self.before:,} customers kept, "
            f"{self.gone:,} gone, {self.new:,} new, {self.changed:,} records changed, "
            f"{self.segment_changed:,} in another segment{shifts}{drift}"
        )


@dataclass(frozen=True)
class Bounds:
    """What is too different; shares of 1, and a difference of mean probabilities."""

    most_lost: float
    most_shift: float
    most_segment_change: float
    blocks_drift: bool


def breaches(seen: Comparison, bounds: Bounds) -> list[str]:
    """Return what is out of bounds, each with its numbers; nothing if all is well.

    >>> seen = Comparison("7", 100, 70, 0, 0, 0, {"churn": 0.2}, {"churn": 0.5}, 1.0, {})
    >>> breaches(seen, Bounds(0.2, 0.2, 0.6, False))[0]
    '30 of 100 customers would be gone (30.0 %, at most 20.0 %: FOOTFALL_MOST_LOST_CUSTOMERS)'
    """
    found = []
    if seen.before and seen.gone / seen.before > bounds.most_lost:
        found.append(
            f"{seen.gone:,} of {seen.before:,} customers would be gone "
            f"({_share(seen.gone, seen.before)}, at most {bounds.most_lost:.1%}: "
            "FOOTFALL_MOST_LOST_CUSTOMERS)".replace("%", " %")
        )
    if seen.days <= LONGEST_STEP_DAYS:
        found += [
            f"the mean of {name} would move from {seen.means_before[name]:.4f} to "
            f"{seen.means_after[name]:.4f} (at most {bounds.most_shift:g} either way: "
            "FOOTFALL_MOST_SCORE_SHIFT)"
            for name, shift in seen.shifts.items()
            if abs(shift) > bounds.most_shift
        ]
        if seen.kept and seen.segment_changed / seen.kept > bounds.most_segment_change:
            found.append(
                f"{seen.segment_changed:,} of {seen.kept:,} customers would change their segment "
                f"({_share(seen.segment_changed, seen.kept)}, at most "
                f"{bounds.most_segment_change:.1%}: FOOTFALL_MOST_SEGMENT_CHANGE)".replace(
                    "%", " %"
                )
            )
    if bounds.blocks_drift:
        found += [
            f"{name} has shifted since it was trained (FOOTFALL_DRIFT=block)"
            for name, word in sorted(seen.drift.items())
            if word == "shifted"
        ]
    return found


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"
