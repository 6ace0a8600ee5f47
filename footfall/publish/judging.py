"""Compare what is to go live with what is live, and refuse what is out of bounds."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import OutOfBounds
from footfall.publish.bounds import MANUAL, Bounds, Comparison, Contents, breaches
from footfall.publish.encoding import layout
from footfall.settings import settings
from footfall.warehouse import drift, images
from footfall.warehouse.changes import Changes, Totals
from footfall.warehouse.publications import PublicationRow, ScoreSetRow

SECONDS_PER_DAY = 86_400


def of_image(
    connection: Connection[TupleRow],
    version: int,
    chosen: ScoreSetRow,
    contents: Contents,
    live: PublicationRow,
) -> Comparison | None:
    """Compare a written version with the live one; None: nobody knows what that one holds."""
    paired = images.pair(connection, live.version, version)
    if not paired.before:
        return None
    return Comparison(
        version=str(live.version),
        **asdict(paired),
        means_before=means(live),
        means_after=contents.means,
        days=days(chosen.as_of, live.as_of),
        drift=_drift(connection, chosen),
    )


def of_changes(
    connection: Connection[TupleRow], chosen: ScoreSetRow, changes: Changes, live: PublicationRow
) -> Comparison:
    """Compare what a delta would make of the live version with what it is."""
    return Comparison(
        version=str(live.version),
        before=changes.before,
        kept=changes.kept,
        new=changes.totals.records - changes.kept,
        changed=changes.changed,
        segment_changed=changes.segment_changed,
        means_before=means(live),
        means_after=contents_of(changes).means,
        days=days(chosen.as_of, live.as_of),
        drift=_drift(connection, chosen),
    )


def contents_of(changes: Changes, first_expiry: datetime | None = None) -> Contents:
    """Return what the live version holds once these changes are made."""
    totals = changes.totals
    return Contents(
        totals.records,
        {name: totals.sums[name] / count for name, count in totals.scored.items() if count},
        dict(sorted(totals.segments.items())),
        totals.base_rates,
        layout(),
        totals.scored,
        None if first_expiry is None else first_expiry.isoformat(),
    )


def totals_of(row: PublicationRow) -> Totals | None:
    """Return what a publication holds in numbers; None: they were not noted, or are no more."""
    contents = row.contents or {}
    scored = contents.get("scored")
    if scored is None:
        return None
    return Totals(
        contents["records"],
        contents["base_rates"],
        {name: contents["means"].get(name, 0.0) * count for name, count in scored.items()},
        scored,
        contents["segments"],
    )


def first_expiry_of(row: PublicationRow) -> datetime | None:
    """Return when the first of a publication's records expires; None: it was not noted."""
    noted = (row.contents or {}).get("first_expiry")
    return None if noted is None else datetime.fromisoformat(noted)


def means(row: PublicationRow) -> Mapping[str, float]:
    """Return the mean of each score of a publication; empty where it was not noted."""
    return dict((row.contents or {}).get("means", {}))


def judge(what: str, seen: Comparison | None, *, accept: bool) -> list[str]:
    """Return what is out of bounds and was accepted.

    Raises:
        OutOfBounds: something is, and nobody accepted it.
    """
    limits = settings()
    bounds = Bounds(
        limits.most_lost_customers,
        limits.most_score_shift,
        limits.most_segment_change,
        limits.drift == "block",
    )
    found = [] if seen is None else breaches(seen, bounds)
    if found and not accept:
        raise OutOfBounds(
            f"{what} is refused, the live version stays: {'; '.join(found)}; {MANUAL}"
        )
    return found


def days(one: datetime, other: datetime) -> float:
    """Return how many days lie between two instants."""
    return abs((one - other).total_seconds()) / SECONDS_PER_DAY


def _drift(connection: Connection[TupleRow], chosen: ScoreSetRow) -> dict[str, str]:
    return {row.name: row.verdict for row in drift.of_score_set(connection, chosen.score_set)}
