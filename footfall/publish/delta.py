"""A delta: the live version with the records of whom a new score set changes, put in at one step.

The changed records are staged beside the live ones, read back, and take their place in one call of
the server, in which those who are gone are taken out. So a reader sees the version before the delta
or after it. Records that did not change keep their own as_of and expires_at: a full publication has
to come before they expire.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.publish import encoding, judging
from footfall.publish.bounds import Comparison
from footfall.publish.store import Flip, Store, staged_version
from footfall.publish.verifying import Checksum, lost, moved
from footfall.settings import settings
from footfall.warehouse import images, records
from footfall.warehouse import publications as table
from footfall.warehouse.candidates import candidates
from footfall.warehouse.changes import Changes, find_changes, standing
from footfall.warehouse.images import ImageRow
from footfall.warehouse.publications import PublicationRow, ScoreSetRow
from footfall.warehouse.records import ScoredBy

MOST_RECORDS = 20_000
"""More records are not put in at one step: readers wait while the server does it."""


def plan(
    connection: Connection[TupleRow],
    store: Store,
    chosen: ScoreSetRow,
    live: PublicationRow | None,
    last: Flip | None,
    *,
    now: datetime,
) -> Changes | str:
    """Return what a delta would change, or why the publication has to be full."""
    if live is None or live.expires_at is None or live.published_at is None:
        return "nothing is live"
    if chosen.score_set == live.score_set:
        return f"score set {chosen.score_set} is live already"
    due = live.published_at + (live.expires_at - live.published_at) / 2
    if now >= due:
        return f"half of the time of version {live.version} is over"
    if sorted(chosen.model_ids) != sorted(live.model_ids):
        return "other models have scored"
    if tuple((live.contents or {}).get("layout", ())) != encoding.layout():
        return "records have other fields, or another experiment, now"
    if why := moved(store, live, last) or lost(connection, store, live, now=now):
        return why
    models = records.models_of(connection, chosen.score_set)
    if not models:
        return "nobody would be left"
    found = _changes(connection, chosen, models, live, now=now, due=due)
    if not found.before:
        return f"nobody knows record by record what version {live.version} holds"
    if not found.totals.records:
        return "nobody would be left"
    touched = len(found.written) + len(found.gone)
    most = min(int(settings().delta_most_changed * found.before), MOST_RECORDS)
    if touched > most:
        return (
            f"{touched:,} of {found.before:,} records change; a delta changes {most:,} at most "
            "(FOOTFALL_DELTA_MOST_CHANGED)"
        )
    return found


def _changes(
    connection: Connection[TupleRow],
    chosen: ScoreSetRow,
    models: Sequence[ScoredBy],
    live: PublicationRow,
    *,
    now: datetime,
    due: datetime,
) -> Changes:
    """Look at those whose record may be another, or else, where nobody knows who, at everybody."""
    totals, first_expiry = judging.totals_of(live), judging.first_expiry_of(live)
    looked_at = None
    if totals is not None and first_expiry is not None and first_expiry > due:
        looked_at = candidates(connection, chosen, live)
    if totals is None or looked_at is None:
        return find_changes(connection, chosen, models, live.version, now=now, due=due)
    with connection.transaction():
        # each worker would look all of them up
        connection.execute("set local max_parallel_workers_per_gather = 0")
        found = find_changes(
            connection, chosen, models, live.version, now=now, due=due, only=looked_at
        )
        was = standing(connection, live.score_set, models, live.version, only=looked_at)
    return replace(
        found,
        totals=totals.changed(was, found.totals),
        before=totals.records,
        kept=totals.records - was.records + found.kept,
        first_expiry=first_expiry,
    )


def publish_delta(
    connection: Connection[TupleRow],
    store: Store,
    epoch: int,
    chosen: ScoreSetRow,
    live: PublicationRow,
    changes: Changes,
    *,
    base_epoch: int,
    now: datetime,
    latest: datetime,
    seen: Comparison,
    accepted: Sequence[str],
) -> tuple[Flip, list[ImageRow], list[str], bool]:
    """Stage the changed records, read them back, and put them in.

    Returns:
        The flip that it counts as; the new lines of the image; who is gone; whether all went in.

    Raises:
        Fenced: something else went live meanwhile.
        FootfallError: records did not read back as written.
    """
    staged = staged_version(live.version, epoch)
    with _abandoned_on_error(connection, epoch):
        rows = _stage(connection, store, staged, live, chosen, changes, now=now, latest=latest)
        allowed = images.still_allowed(
            connection, [row.customer_id for row in rows], chosen.score_set
        )
        withdrawn = [row.customer_id for row in rows if row.customer_id not in allowed]
        store.remove(staged, withdrawn)
        rows = [row for row in rows if row.customer_id in allowed]
        gone = sorted({*changes.gone, *withdrawn})
        table.fill_delta(
            connection,
            epoch,
            written=len(rows),
            removed=len(gone),
            records=changes.totals.records - len(withdrawn),
            checksum=Checksum(rows).hexdigest(),
            contents=_contents(changes, rows, withdrawn),
            comparison=asdict(seen),
            reason=f"{len(rows) + len(gone):,} of {changes.before:,} records change"
            + "".join(f"; accepted: {breach}" for breach in accepted),
        )
        images.doubt(connection, live.version, rows, gone)
        flip, left_alone = store.apply(
            live.version,
            staged,
            epoch=epoch,
            base_epoch=base_epoch,
            at=now,
            written=[row.customer_id for row in rows],
            gone=gone,
        )
    known = [row for row in rows if row.customer_id not in set(left_alone)]
    return flip, known, gone, not left_alone


def _contents(
    changes: Changes, rows: Sequence[ImageRow], withdrawn: Sequence[str]
) -> dict[str, Any]:
    """Return what the version holds with a delta; of who withdrew meanwhile, it knows too much."""
    ends = [row.expires_at for row in rows]
    if changes.first_expiry is not None:
        ends.append(changes.first_expiry)
    contents = judging.contents_of(changes, min(ends, default=None))
    return asdict(replace(contents, scored=None) if withdrawn else contents)


def _stage(
    connection: Connection[TupleRow],
    store: Store,
    staged: str,
    live: PublicationRow,
    chosen: ScoreSetRow,
    changes: Changes,
    *,
    now: datetime,
    latest: datetime,
) -> list[ImageRow]:
    """Write the changed records under a name of their own; return their lines by customer_id."""
    lines: list[ImageRow] = []
    models = records.models_of(connection, chosen.score_set)
    encoder = encoding.Encoder(live.version, chosen.as_of, models)
    rows = records.stream_records(
        connection, chosen, models, now=now, expires_at=latest, only=changes.written
    )
    with closing(rows):
        store.write(staged, encoder.records(rows, encoding.new_tally(), lines.append))
    return lines


@contextmanager
def _abandoned_on_error(connection: Connection[TupleRow], epoch: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # the error that brought us here matters more
            table.abandon_delta(connection, epoch)
        raise
