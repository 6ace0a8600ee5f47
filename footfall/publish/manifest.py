"""Say what publications contain, why they are live or were refused, and how two of them differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from footfall.errors import NotFound
from footfall.publish import judging
from footfall.publish.bounds import Comparison
from footfall.publish.publication import Publication, as_publication, find
from footfall.warehouse import images
from footfall.warehouse import publications as table
from footfall.warehouse.connection import connect
from footfall.warehouse.publications import DeltaRow, PublicationRow


@dataclass(frozen=True)
class Explanation:
    """A publication, what it contains, what it was compared with, and its deltas."""

    publication: Publication
    full_score_set: int
    models: Sequence[str]
    contents: Mapping[str, Any] | None
    comparison: Mapping[str, Any] | None
    deltas: Sequence[DeltaRow]

    def lines(self) -> str:
        """Return the explanation in some readable lines."""
        its = self.publication
        told = [
            f"version {its.version}: {its.state}, score set {its.score_set} as of "
            f"{its.as_of.isoformat()}; published {_at(its.published_at)}, "
            f"expires {_at(its.expires_at)}",
            f"why: {its.reason or 'not noted'}",
            f"contains: {_contents(its.records, self.contents)}; by {', '.join(self.models)}",
        ]
        if self.comparison:
            told.append(Comparison(**self.comparison).line())
        return "\n".join([*told, *(_delta(row) for row in self.deltas)])


@dataclass(frozen=True)
class Difference:
    """Two publications beside each other, as their records are now."""

    after: str
    comparison: Comparison
    segments_before: Mapping[str, int]
    segments_after: Mapping[str, int]

    def lines(self) -> str:
        """Return the difference in some readable lines."""
        names = sorted({*self.segments_before, *self.segments_after})
        moved = [
            f"  {name or 'no segment'}: {before:,} → {after:,}"
            for name in names
            if (before := self.segments_before.get(name, 0))
            != (after := self.segments_after.get(name, 0))
        ]
        return "\n".join([f"version {self.after} {self.comparison.line()}", *moved])


def explain(version: str, *, now: datetime) -> Explanation:
    """Say why a publication is live or was refused, and what it contains.

    Raises:
        BadArgument: the version is no number.
        NotFound: there is none.
    """
    with connect() as connection:
        row = find(connection, version)
        return Explanation(
            publication=as_publication(row, now=now),
            full_score_set=row.full_score_set,
            models=row.model_ids,
            contents=row.contents,
            comparison=row.comparison,
            deltas=table.deltas(connection, row.version),
        )


def diff(before: str | None = None, after: str | None = None) -> Difference:
    """Compare two publications; by default the live one with the one that was live before it.

    Raises:
        BadArgument: a version is no number.
        NotFound: there is none, or its records are not known any more.
    """
    with connect() as connection:
        every = table.publications(connection)
        new = find(connection, after) if after else _newest(every, "live")
        old = find(connection, before) if before else _newest(every, "previous")
        paired = images.pair(connection, old.version, new.version)
        for row, count in ((old, paired.before), (new, paired.kept + paired.new)):
            if not count:
                raise NotFound(
                    f"what version {row.version} held is not known any more ({row.state}): only "
                    "the live one and those that can be live again can be compared"
                )
        comparison = Comparison(
            version=str(old.version),
            before=paired.before,
            kept=paired.kept,
            new=paired.new,
            changed=paired.changed,
            segment_changed=paired.segment_changed,
            means_before=judging.means(old),
            means_after=judging.means(new),
            days=judging.days(new.as_of, old.as_of),
            drift={},
        )
    return Difference(str(new.version), comparison, _segments(old), _segments(new))


def _newest(rows: Sequence[PublicationRow], state: str) -> PublicationRow:
    found = [row for row in rows if row.state == state]
    if not found:
        raise NotFound(f"no publication is {state}; see: footfall publications")
    return max(found, key=lambda row: row.epoch)


def _segments(row: PublicationRow) -> dict[str, int]:
    return dict((row.contents or {}).get("segments", {}))


def _contents(count: int | None, contents: Mapping[str, Any] | None) -> str:
    if contents is None:
        return "not noted"
    means = [f"mean {name} {mean:.4f}" for name, mean in contents["means"].items()]
    segments = [f"{name or 'no segment'} {n:,}" for name, n in contents["segments"].items()]
    return ", ".join(
        [
            f"{count or 0:,} records",
            *means,
            f"{contents['base_rates']:,} with base rates",
            *segments,
        ]
    )


def _delta(row: DeltaRow) -> str:
    counts = "" if row.written is None else f", {row.written:,} written, {row.removed:,} removed"
    return (
        f"delta {row.epoch}: {row.state} {_at(row.applied_at or row.started_at)}, "
        f"score set {row.score_set}{counts}: {row.reason or 'not noted'}"
    )


def _at(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else "never"
