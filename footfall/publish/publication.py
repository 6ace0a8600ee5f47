"""Publish a score set to Redis, whole or not at all, and go back to an earlier publication.

A publication is written beside the live one under a version of its own, read back, compared with
the live one, and made live by moving ``ff:current`` in one step on the server. A score set that
changes few records is put into the live version instead, in one step, too (a delta). Each
publisher, delta and rollback draws an epoch; the server takes only a greater one than its last, so
of two at once the older is fenced out. A publisher that is killed leaves the live version as it
was; what it wrote expires.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import BadArgument, Fenced, GateStopped, NotFound, NotReady, OutOfBounds
from footfall.publish import judging
from footfall.publish.delta import plan, publish_delta
from footfall.publish.full import take_back, write_full
from footfall.publish.store import Flip, Store, opened
from footfall.publish.verifying import compare_version
from footfall.settings import settings
from footfall.warehouse import audit, images
from footfall.warehouse import publications as table
from footfall.warehouse.candidates import forget_changed
from footfall.warehouse.changes import Changes
from footfall.warehouse.connection import connect


@dataclass(frozen=True)
class Publication:
    """One publication.

    ``deltas`` are those put into it so far; ``reason`` says why it is full, or was refused. What
    only the call that made it knows: ``changed`` and ``removed`` count the records of the delta
    that it applied, None if it published in full; ``seconds`` is how long it took.
    """

    version: str
    score_set: int
    as_of: datetime
    state: str
    epoch: int
    records: int | None
    checksum: str | None
    published_at: datetime | None
    expires_at: datetime | None
    deltas: int = 0
    reason: str | None = None
    changed: int | None = None
    removed: int | None = None
    seconds: float | None = None

    def line(self) -> str:
        """Return what was published in one line."""
        took = "" if self.seconds is None else f" in {self.seconds:.2f} s"
        if self.changed is None:
            return (
                f"published version {self.version} (score set {self.score_set}): "
                f"{self.records:,} records{took}"
            )
        return (
            f"updated version {self.version} (score set {self.score_set}): {self.changed:,} "
            f"records changed, {self.removed:,} removed, {self.records:,} in all{took}"
        )


def publish(
    *,
    now: datetime,
    actor: str,
    full: bool = False,
    accept: bool = False,
    score_set: int | None = None,
) -> Publication:
    """Publish the newest complete score set, as a delta of the live version where that is enough.

    Args:
        now: the publishing clock; scores expire ``score_ttl_hours`` later, or sooner where
            ml.scores says so.
        actor: who publishes, for the audit log.
        full: under a new version, however little has changed.
        accept: also if it is too different from the live one; goes to the audit log.
        score_set: this set, if it is what is live still, and not the newest.

    Raises:
        GateStopped: the scores gate stopped that set.
        OutOfBounds: it is too different from the live one.
        NotReady: there is none, it was not checked, is expired or empty, or Redis cannot hold it.
        Fenced: a newer publisher or rollback was faster; the live version is theirs.
        ServerUnavailable: Postgres or Redis does not answer.
    """
    started = time.perf_counter()
    latest = (now + timedelta(hours=settings().score_ttl_hours)).replace(microsecond=0)
    with connect(autocommit=True) as connection, opened(settings().redis) as store:
        table.end_when_hanging(connection)
        epoch, last = _take_turn(connection, store, now)
        live = table.live(connection)
        chosen = _choose(connection, score_set, live)
        store.prepare(expires_at=latest)
        work = _Work(connection, store, epoch, chosen, live, last, now, latest, actor, accept)
        found = "asked for" if full else plan(connection, store, chosen, live, last, now=now)
        done = _full(work, found) if isinstance(found, str) else _delta(work, found)
        return replace(done, seconds=round(time.perf_counter() - started, 3))


def rollback(version: str | None = None, *, now: datetime, actor: str) -> Publication:
    """Make an earlier publication live again, by default the one that was live before.

    Customers who may not be profiled any more are removed from it first.

    Raises:
        NotFound: there is no such publication, it never was live, or its records are gone.
        NotReady: it is expired.
        BadArgument: the version is no number, or live already.
        Fenced: a newer publisher or rollback was faster.
        ServerUnavailable: Postgres or Redis does not answer.
    """
    started = time.perf_counter()
    with connect(autocommit=True) as connection, opened(settings().redis) as store:
        table.end_when_hanging(connection)
        epoch, last = _take_turn(connection, store, now)
        target, expires_at = _target(connection, version, last, now)
        store.prepare(expires_at=expires_at)
        _withdraw_and_verify(connection, store, target, now)
        flip = store.flip(target.version, epoch=epoch, last=last, expires_at=expires_at, at=now)
        _settle(connection, flip, now=now, actor=actor, act="roll back")
        done = _publication(connection, target.version)
        return replace(done, seconds=round(time.perf_counter() - started, 3))


def publications(*, now: datetime | None = None) -> list[Publication]:
    """Return all publications, the newest first; those whose time is over at ``now`` as expired."""
    with connect() as connection:
        return [as_publication(row, now=now) for row in table.publications(connection)]


@dataclass(frozen=True)
class _Work:
    """What is to be published, where, and by whom."""

    connection: Connection[TupleRow]
    store: Store
    epoch: int
    chosen: table.ScoreSetRow
    live: table.PublicationRow | None
    last: Flip | None
    now: datetime
    latest: datetime
    actor: str
    accept: bool


def _full(work: _Work, reason: str) -> Publication:
    connection, store, now, last = work.connection, work.store, work.now, work.last
    epoch = work.epoch
    version = table.begin(
        connection, work.chosen.score_set, epoch=epoch, beyond=last.newest if last else 0
    )
    serves = work.live and work.live.expires_at and work.live.expires_at > now
    with _abandoned_on_error(connection, version):
        expires_at, seen = write_full(
            *(connection, store, version, work.chosen, work.live if serves else None),
            now=now,
            latest=work.latest,
            reason=reason,
        )
        what = f"score set {work.chosen.score_set} (version {version})"
        try:
            accepted = judging.judge(what, seen, accept=work.accept)
        except OutOfBounds as error:
            table.end(connection, version, "refused", str(error))
            take_back(connection, store, version, now)
            raise
        if accepted:
            table.accept(connection, version, "; ".join(accepted))
        flip = store.flip(version, epoch=epoch, last=last, expires_at=expires_at, at=now)
    detail = {"full": reason} | ({"accepted": accepted} if accepted else {})
    _settle(connection, flip, now=now, actor=work.actor, act="publish", detail=detail)
    images.forget_images(connection, now=now)
    forget_changed(connection, now=now)
    return _publication(connection, version)


def _delta(work: _Work, changes: Changes) -> Publication:
    connection, epoch, live, last = work.connection, work.epoch, work.live, work.last
    assert live is not None, "a delta is of the live version"
    assert last is not None, "and of the last flip"
    assert live.expires_at is not None, "which has its time"
    seen = judging.of_changes(connection, work.chosen, changes, live)
    what = f"score set {work.chosen.score_set} (a delta of version {live.version})"
    table.begin_delta(connection, epoch, live.version, work.chosen.score_set)
    try:
        accepted = judging.judge(what, seen, accept=work.accept)
    except OutOfBounds as error:
        table.refuse_delta(connection, epoch, comparison=asdict(seen), reason=str(error))
        raise
    flip, known, gone, is_whole = publish_delta(
        *(connection, work.store, epoch, work.chosen, live, changes),
        base_epoch=last.epoch,
        now=work.now,
        latest=min(work.latest, live.expires_at),
        seen=seen,
        accepted=accepted,
    )
    detail = {"delta": {"written": len(known), "removed": len(gone)}}
    with connection.transaction():
        images.replace(connection, live.version, known)
        images.drop(connection, live.version, gone)
        _settle(
            *(connection, flip),
            now=work.now,
            actor=work.actor,
            act="publish",
            detail=detail | ({"accepted": accepted} if accepted else {}),
            is_counted=is_whole,
        )
    return replace(_publication(connection, live.version), changed=len(known), removed=len(gone))


def _choose(
    connection: Connection[TupleRow], score_set: int | None, live: table.PublicationRow | None
) -> table.ScoreSetRow:
    if score_set is not None:
        again = table.score_set(connection, score_set)
        if again is None or live is None or live.score_set != score_set:
            raise Fenced(f"score set {score_set} is not live any more; it is not published again")
        return again
    newest = table.newest_score_set(connection)
    if newest is None:
        raise NotReady("there is no complete score set to publish; run: footfall score")
    if newest.verdict is None:
        raise NotReady(
            f"score set {newest.score_set} is not checked yet; run: footfall gate scores"
        )
    if newest.verdict == "stop":
        raise GateStopped(
            f"the scores gate stopped score set {newest.score_set}; it is not published. "
            "See ops.gate_verdicts for why; score again: footfall score"
        )
    return newest


def _settle(
    connection: Connection[TupleRow],
    flip: Flip,
    *,
    now: datetime,
    actor: str,
    act: str,
    detail: dict[str, Any] | None = None,
    is_counted: bool = False,
) -> None:
    """Book a flip and who made it, both or neither."""
    with connection.transaction():
        table.settle(
            *(connection, flip.version),
            epoch=flip.epoch,
            at=flip.at,
            now=now,
            is_counted=is_counted,
        )
        audit.append(
            connection,
            actor=actor,
            act=act,
            subject=f"publication {flip.version}",
            detail={"instead_of": flip.previous, "epoch": flip.epoch} | (detail or {}),
            now=now,
        )


def _take_turn(
    connection: Connection[TupleRow], store: Store, now: datetime
) -> tuple[int, Flip | None]:
    """Draw an epoch, then return it with the last flip.

    What is published is chosen only afterwards. So who has the greater epoch has chosen later, and
    what is older never goes live over what is newer.
    """
    last = _reconcile(connection, store, now)
    epoch = table.draw_epoch(connection, beyond=last.epoch if last else 0)
    return epoch, _reconcile(connection, store, now)  # who flipped between the two is not fenced


def _reconcile(connection: Connection[TupleRow], store: Store, now: datetime) -> Flip | None:
    """Book the last flip, in case the one who made it was killed before; return it."""
    last = store.last_flip()
    if last is not None:
        table.settle(connection, last.version, epoch=last.epoch, at=last.at, now=now)
    return last


@contextmanager
def _abandoned_on_error(connection: Connection[TupleRow], version: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # the error that brought us here matters more
            table.end(connection, version, "abandoned")
        raise


def _target(
    connection: Connection[TupleRow], version: str | None, last: Flip | None, now: datetime
) -> tuple[table.PublicationRow, datetime]:
    if version is None:
        if last is None or last.previous is None:
            raise NotFound("there is no publication to go back to: none was live before")
        version = str(last.previous)
    row = find(connection, version)
    if last is not None and row.version == last.version:
        raise BadArgument(f"publication {version} is live already")
    if row.expires_at is None or row.state in ("building", "abandoned", "refused"):
        raise NotFound(f"publication {version} never was live ({row.state}); choose another")
    if row.expires_at <= now:
        raise NotReady(
            f"publication {version} expired at {row.expires_at.isoformat()}; run: footfall publish"
        )
    return row, row.expires_at


def find(connection: Connection[TupleRow], version: str) -> table.PublicationRow:
    """Return a publication by its version.

    Raises:
        BadArgument: the version is no number.
        NotFound: there is none.
    """
    if not version.isdecimal():
        raise BadArgument(f"version {version!r} is no number; see: footfall publications")
    row = table.publication(connection, int(version))
    if row is None:
        raise NotFound(f"there is no publication {version}; see: footfall publications")
    return row


def _withdraw_and_verify(
    connection: Connection[TupleRow], store: Store, target: table.PublicationRow, now: datetime
) -> None:
    """Remove who may not be profiled any more; refuse if other records are gone."""
    withdrawn = images.withdrawn(connection, target.version, target.score_set)
    store.remove(target.version, withdrawn)
    images.drop(connection, target.version, withdrawn)
    found = compare_version(connection, store, target.version, now=now)
    if found.missing or found.wrong or not found.records:
        lost = found.missing + found.wrong if found.records else target.records
        raise NotFound(
            f"publication {target.version}: {lost} of {target.records} records are gone from Redis "
            f"at {store.address}; the live version is untouched, publish again: footfall publish"
        )
    left = images.count(connection, target.version)
    table.recount(connection, target.version, records=left)


def _publication(connection: Connection[TupleRow], version: int) -> Publication:
    row = table.publication(connection, version)
    if row is None:
        raise NotFound(f"publication {version} was deleted while it went live")
    return as_publication(row)


def as_publication(row: table.PublicationRow, *, now: datetime | None = None) -> Publication:
    """Return a row as who asks for it sees it: expired, if its time is over at ``now``."""
    is_over = now is not None and row.expires_at is not None and row.expires_at <= now
    return Publication(
        version=str(row.version),
        score_set=row.score_set,
        as_of=row.as_of,
        state="expired" if is_over and row.state in ("live", "previous") else row.state,
        epoch=row.epoch,
        records=row.records,
        checksum=row.checksum,
        published_at=row.published_at,
        expires_at=row.expires_at,
        deltas=row.deltas,
        reason=row.reason,
    )
