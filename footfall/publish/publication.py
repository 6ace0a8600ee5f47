"""Publish a score set to Redis, whole or not at all, and go back to an earlier publication.

A publication is written beside the live one under a version of its own, read back, and made live
by moving ``ff:current`` in one step on the server. Each publisher and each rollback draws an epoch;
the pointer moves only for a greater epoch than its last one's, so of two at once the older is
fenced out. A publisher that is killed leaves the live version as it was; what it wrote expires.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import BadArgument, FootfallError, GateStopped, NotFound, NotReady
from footfall.publish.store import Flip, Record, Store, checksum, opened
from footfall.settings import settings
from footfall.storefront.record import AMOUNTS, SCORES, Profile, encode
from footfall.warehouse import audit
from footfall.warehouse import publications as table
from footfall.warehouse.connection import connect

REASONS_PER_MODEL = 3


@dataclass(frozen=True)
class Publication:
    """One publication; ``seconds`` is how long the call that returned it took."""

    version: str
    score_set: int
    as_of: datetime
    state: str
    epoch: int
    records: int | None
    checksum: str | None
    published_at: datetime | None
    expires_at: datetime | None
    seconds: float | None = None


def publish(*, now: datetime, actor: str) -> Publication:
    """Publish the newest complete score set under a new version, and make it live.

    Args:
        now: the publishing clock; scores expire ``score_ttl_hours`` later, or sooner where
            ml.scores says so.
        actor: who publishes, for the audit log.

    Raises:
        GateStopped: the scores gate stopped that set.
        NotReady: there is none, it was not checked, is expired or empty, or Redis cannot hold it.
        Fenced: a newer publisher or rollback was faster; the live version is theirs.
        ServerUnavailable: Postgres or Redis does not answer.
    """
    started = time.perf_counter()
    with connect(autocommit=True) as connection, opened(settings().redis) as store:
        chosen = _choose(connection)
        expires_at = _expiry(connection, chosen, now)
        store.prepare(expires_at=expires_at)
        last = _reconcile(connection, store, now)
        epoch = table.draw_epoch(connection, beyond=last.epoch if last else 0)
        version = table.begin(
            connection, chosen.score_set, epoch=epoch, beyond=last.newest if last else 0
        )
        with _abandoned_on_error(connection, version):
            _write_whole(connection, store, version, chosen, now=now, expires_at=expires_at)
            flip = store.flip(version, epoch=epoch, expires_at=expires_at, at=now)
        _settle(connection, flip, now=now, actor=actor, act="publish")
        return _publication(connection, version, started)


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
        last = _reconcile(connection, store, now)
        target, expires_at = _target(connection, version, last, now)
        store.prepare(expires_at=expires_at)
        epoch = table.draw_epoch(connection, beyond=last.epoch if last else 0)
        _withdraw_and_count(connection, store, target)
        flip = store.flip(target.version, epoch=epoch, expires_at=expires_at, at=now)
        _settle(connection, flip, now=now, actor=actor, act="roll back")
        return _publication(connection, target.version, started)


def publications(*, now: datetime | None = None) -> list[Publication]:
    """Return all publications, the newest first; those whose time is over at ``now`` as expired."""
    with connect() as connection:
        return [_as_publication(row, now=now) for row in table.publications(connection)]


def _choose(connection: Connection[TupleRow]) -> table.ScoreSetRow:
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


def _expiry(connection: Connection[TupleRow], chosen: table.ScoreSetRow, now: datetime) -> datetime:
    latest = (now + timedelta(hours=settings().score_ttl_hours)).replace(microsecond=0)
    expires_at = table.last_expiry(connection, chosen.score_set, now=now, expires_at=latest)
    if expires_at is None or expires_at <= now:
        raise NotReady(
            f"score set {chosen.score_set} has no score that is fresh at {now.isoformat()}; "
            "run: footfall score"
        )
    return expires_at


def _settle(
    connection: Connection[TupleRow], flip: Flip, *, now: datetime, actor: str, act: str
) -> None:
    """Book a flip and who made it, both or neither."""
    with connection.transaction():
        table.settle(connection, flip.version, epoch=flip.epoch, at=flip.at, now=now)
        audit.append(
            connection,
            actor=actor,
            act=act,
            subject=f"publication {flip.version}",
            detail={"instead_of": flip.previous, "epoch": flip.epoch},
            now=now,
        )


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
            table.abandon(connection, version)
        raise


def _write_whole(
    connection: Connection[TupleRow],
    store: Store,
    version: int,
    chosen: table.ScoreSetRow,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    rows = table.stream_records(connection, chosen, now=now, expires_at=expires_at)
    with closing(rows):
        written = store.write(version, (_record(version, chosen, row) for row in rows))
    scored = table.scored_customers(connection, chosen.score_set)
    withdrawn = [name for name in written if not scored.get(name)]  # while we were writing
    store.remove(version, withdrawn)
    for name in withdrawn:
        del written[name]
    if not written:
        raise NotReady(
            f"score set {chosen.score_set} has no customer to publish: "
            f"none of its {len(scored)} may be profiled"
        )
    found = store.digests(version, written)
    wrong = [name for name, sha1 in written.items() if found.get(name) != sha1]
    if wrong:
        raise FootfallError(
            f"publication {version}: {len(wrong)} of {len(written)} records did not read back as "
            f"written (first: {wrong[0]}); the live version is untouched, publish again"
        )
    table.fill(
        connection,
        version,
        records=len(written),
        checksum=checksum(written),
        expires_at=expires_at,
        scored=len(scored),
    )


def _record(version: int, chosen: table.ScoreSetRow, row: table.RecordRow) -> Record:
    scores = row.scores
    numbers = {
        name + suffix: scores[name][column]
        for name in (*SCORES, *AMOUNTS)
        if name in scores
        for suffix, column in (("", "prediction"), ("_percentile", "percentile"))
    }
    fallback = {name: why for name, score in sorted(scores.items()) if (why := score["fallback"])}
    profile = Profile(
        customer_id=row.customer_id,
        version=str(version),
        **numbers,
        segment=row.segment,
        reasons={name: _words(score["reasons"]) for name, score in sorted(scores.items())},
        products=tuple(str(product) for product in row.products),
        as_of=chosen.as_of,
        scored_at=row.scored_at,
        expires_at=row.expires_at,
        models={name: score["model_id"] for name, score in sorted(scores.items())},
        fallback=bool(fallback),
        fallback_reasons=fallback,
    )
    return row.customer_id, encode(profile), row.expires_at


def _words(reasons: Sequence[str | Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the strongest reasons, each as one phrase."""
    return tuple(
        reason if isinstance(reason, str) else f"{reason['effect']}: {reason['text']}"
        for reason in reasons[:REASONS_PER_MODEL]
    )


def _target(
    connection: Connection[TupleRow], version: str | None, last: Flip | None, now: datetime
) -> tuple[table.PublicationRow, datetime]:
    if version is None:
        if last is None or last.previous is None:
            raise NotFound("there is no publication to go back to: none was live before")
        version = str(last.previous)
    if not version.isdecimal():
        raise BadArgument(f"version {version!r} is no number; see: footfall publications")
    if last is not None and int(version) == last.version:
        raise BadArgument(f"publication {version} is live already")
    row = table.publication(connection, int(version))
    if row is None:
        raise NotFound(f"there is no publication {version}; see: footfall publications")
    if row.expires_at is None or row.state in ("building", "abandoned"):
        raise NotFound(f"publication {version} never was live ({row.state}); choose another")
    if row.expires_at <= now:
        raise NotReady(
            f"publication {version} expired at {row.expires_at.isoformat()}; run: footfall publish"
        )
    return row, row.expires_at


def _withdraw_and_count(
    connection: Connection[TupleRow], store: Store, target: table.PublicationRow
) -> None:
    """Remove who may not be profiled any more; refuse if records that nobody erased are gone."""
    scored = table.scored_customers(connection, target.score_set)
    removed = store.remove(
        target.version, [name for name, allowed in scored.items() if not allowed]
    )
    present = len(store.digests(target.version, scored))
    lost = (target.records or 0) - removed - present
    erased = (target.scored_customers or 0) - len(scored)
    if lost > erased or present == 0:
        raise NotFound(
            f"publication {target.version}: {lost} of {target.records} records are gone from Redis "
            f"at {store.address}; the live version is untouched, publish again: footfall publish"
        )
    table.recount(connection, target.version, records=present, scored=len(scored))


def _publication(connection: Connection[TupleRow], version: int, started: float) -> Publication:
    row = table.publication(connection, version)
    if row is None:
        raise NotFound(f"publication {version} was deleted while it went live")
    return replace(_as_publication(row), seconds=round(time.perf_counter() - started, 3))


def _as_publication(row: table.PublicationRow, *, now: datetime | None = None) -> Publication:
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
    )
