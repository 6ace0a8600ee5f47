"""Publications and deltas as Postgres keeps them.

States of a publication: ``building`` (being written to Redis), ``live`` (ff:current points at it),
``previous`` (was live, can be again), ``expired`` (was live, its time is over), ``abandoned`` (its
publisher died or was fenced out) and ``refused`` (too different from the live one); the last two
never were live. A delta is ``building``, ``applied``, ``abandoned`` or ``refused``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

LOCK = 0x73657276  # one at a time draws epochs or books states; held for one short transaction
HANGING_SECONDS = 60

Ended = Literal["abandoned", "refused"]

_NEWEST = """
    select s.score_set, s.as_of, s.model_ids, (
        select v.verdict
        from ops.gate_verdicts v
        where v.gate = 'scores' and v.subject = s.score_set::text
        order by v.verdict_id desc
        limit 1
    ) as verdict
    from ml.score_sets s
    where s.completed_at is not null
    order by s.as_of desc, s.score_set desc
    limit 1
"""

NEWEST_UNPUBLISHED = f"""
    select newest.score_set, newest.as_of
    from ({_NEWEST}) newest
    where newest.verdict in ('pass', 'warn')
    and not exists (
        select from serving.publications p
        join ml.score_sets s using (score_set)
        where p.state in ('live', 'previous', 'expired')
        and (s.as_of, s.score_set) >= (newest.as_of, newest.score_set)
    )
"""

_PUBLICATIONS = """
    select p.version, p.score_set, s.as_of, s.model_ids, p.records, p.checksum, p.published_at,
           p.expires_at, p.state, p.epoch, p.contents, p.comparison, p.reason,
           coalesce(p.full_score_set, p.score_set) as full_score_set,
           (select count(*) from serving.deltas d where d.version = p.version
            and d.state = 'applied') as deltas
    from serving.publications p
    join ml.score_sets s using (score_set)
"""

_DELTAS = """
    select epoch, version, score_set, state, written, removed, records, checksum, comparison,
           reason, started_at, applied_at
    from serving.deltas
"""

UNCOUNTED: LiteralString = "contents = contents || '{\"scored\": null}'"
"""The numbers are not of the records that there are: the next delta has to look at everybody."""

# Its records are doubted in the image: the next delta has to look at everybody.
_ABANDON: LiteralString = (
    "with abandoned as ( update serving.deltas set state = 'abandoned' where state = 'building'"
)
_UNCOUNT: LiteralString = (
    " returning version)"
    f" update serving.publications set {UNCOUNTED} where version in (select version from abandoned)"
)


@dataclass(frozen=True)
class ScoreSetRow:
    """A complete score set and what the gate said last: pass, warn, stop, or None for nothing."""

    score_set: int
    as_of: datetime
    verdict: str | None
    model_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublicationRow:
    """One row of serving.publications; ``score_set`` is that of its last delta, if it has any."""

    version: int
    score_set: int
    as_of: datetime
    model_ids: list[str]
    records: int | None
    checksum: str | None
    published_at: datetime | None
    expires_at: datetime | None
    state: str
    epoch: int
    full_score_set: int
    contents: dict[str, Any] | None
    comparison: dict[str, Any] | None
    reason: str | None
    deltas: int


@dataclass(frozen=True)
class DeltaRow:
    """One row of serving.deltas."""

    epoch: int
    version: int
    score_set: int
    state: str
    written: int | None
    removed: int | None
    records: int | None
    checksum: str | None
    comparison: dict[str, Any] | None
    reason: str | None
    started_at: datetime
    applied_at: datetime | None


def newest_score_set(connection: Connection[TupleRow]) -> ScoreSetRow | None:
    """Return the newest complete score set by as_of, then by number."""
    with connection.cursor(row_factory=class_row(ScoreSetRow)) as cursor:
        return cursor.execute(_NEWEST).fetchone()


def score_set(connection: Connection[TupleRow], number: int) -> ScoreSetRow | None:
    """Return a score set that was published before; its gate is not asked again."""
    with connection.cursor(row_factory=class_row(ScoreSetRow)) as cursor:
        return cursor.execute(
            "select score_set, as_of, 'pass' as verdict, model_ids from ml.score_sets"
            " where score_set = %s",
            (number,),
        ).fetchone()


def size(connection: Connection[TupleRow], number: int, *, now: datetime) -> tuple[int, int]:
    """Return how many customers a score set has, and how many whose scores are fresh."""
    row = connection.execute(
        "select count(distinct customer_id),"
        " count(distinct customer_id) filter (where expires_at > %s)"
        " from ml.scores where score_set = %s",
        (now, number),
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def end_when_hanging(connection: Connection[TupleRow]) -> None:
    """Have Postgres end the session if it hangs in a transaction, so that others get its locks."""
    connection.execute(f"set idle_in_transaction_session_timeout = '{HANGING_SECONDS}s'")


def draw_epoch(connection: Connection[TupleRow], *, beyond: int = 0) -> int:
    """Return an epoch greater than all before it and than ``beyond``, the last that Redis saw."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        return _scalar(
            connection,
            "select setval('serving.epochs', greatest(nextval('serving.epochs'), %s))",
            beyond + 1,
        )


def begin(connection: Connection[TupleRow], score_set: int, *, epoch: int, beyond: int = 0) -> int:
    """Add a publication in state building; return its version, greater than ``beyond``."""
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        return _scalar(
            connection,
            "with counter as ("
            "  select pg_get_serial_sequence('serving.publications', 'version')::regclass as name),"
            " drawn as ("
            "  select setval(name, greatest(nextval(name), %s)) as version from counter)"
            " insert into serving.publications (version, score_set, full_score_set, state, epoch)"
            " overriding system value"
            " select version, %s, %s, 'building', %s from drawn returning version",
            beyond + 1,
            score_set,
            score_set,
            epoch,
        )


def fill(
    connection: Connection[TupleRow],
    version: int,
    *,
    records: int,
    checksum: str,
    expires_at: datetime,
    contents: Mapping[str, Any],
    comparison: Mapping[str, Any] | None,
    reason: str,
) -> None:
    """Note what was written to Redis, before it goes live."""
    connection.execute(
        "update serving.publications set records = %s, checksum = %s, expires_at = %s,"
        " contents = %s, comparison = %s, reason = %s where version = %s",
        (
            records,
            checksum,
            expires_at,
            Jsonb(dict(contents)),
            None if comparison is None else Jsonb(dict(comparison)),
            reason,
            version,
        ),
    )


def recount(connection: Connection[TupleRow], version: int, *, records: int) -> None:
    """Note that records were withdrawn from a publication that is not live."""
    connection.execute(
        f"update serving.publications set records = %s, {UNCOUNTED} where version = %s",
        (records, version),
    )


def end(
    connection: Connection[TupleRow], version: int, state: Ended, reason: str | None = None
) -> None:
    """Mark a publication that will never be live."""
    connection.execute(
        "update serving.publications set state = %s, reason = coalesce(%s, reason)"
        " where version = %s and state = 'building'",
        (state, reason, version),
    )


def accept(connection: Connection[TupleRow], version: int, breaches: str) -> None:
    """Note what was out of bounds, and accepted."""
    connection.execute(
        "update serving.publications set reason = reason || '; accepted: ' || %s"
        " where version = %s",
        (breaches, version),
    )


def begin_delta(connection: Connection[TupleRow], epoch: int, version: int, score_set: int) -> None:
    """Add a delta in state building."""
    connection.execute(
        "insert into serving.deltas (epoch, version, score_set, state)"
        " values (%s, %s, %s, 'building')",
        (epoch, version, score_set),
    )


def fill_delta(
    connection: Connection[TupleRow],
    epoch: int,
    *,
    written: int,
    removed: int,
    records: int,
    checksum: str,
    contents: Mapping[str, Any],
    comparison: Mapping[str, Any],
    reason: str,
) -> None:
    """Note what a delta is going to change, before it is applied."""
    connection.execute(
        "update serving.deltas set written = %s, removed = %s, records = %s, checksum = %s,"
        " contents = %s, comparison = %s, reason = %s where epoch = %s",
        (
            *(written, removed, records, checksum),
            *(Jsonb(dict(contents)), Jsonb(dict(comparison)), reason, epoch),
        ),
    )


def abandon_delta(connection: Connection[TupleRow], epoch: int) -> None:
    """Mark a delta that will never be applied."""
    connection.execute(_ABANDON + " and epoch = %s" + _UNCOUNT, (epoch,))


def refuse_delta(
    connection: Connection[TupleRow], epoch: int, *, comparison: Mapping[str, Any], reason: str
) -> None:
    """Mark a delta that is out of bounds."""
    connection.execute(
        "update serving.deltas set state = 'refused', comparison = %s, reason = %s"
        " where epoch = %s",
        (Jsonb(dict(comparison)), reason, epoch),
    )


def settle(
    connection: Connection[TupleRow],
    version: int,
    *,
    epoch: int,
    at: datetime,
    now: datetime,
    is_counted: bool = False,
) -> None:
    """Book that Redis flipped to ``version`` under ``epoch``. Twice, or too late, changes nothing.

    Publications and deltas still building under a smaller epoch can never go live: they are
    abandoned. If the epoch is a delta's, its version carries the delta's score set from now on.

    Args:
        connection: to the warehouse.
        version: the version that is live.
        epoch: of the flip.
        at: of the flip.
        now: what is over by now is expired.
        is_counted: the image tells the delta, too; else its records are doubted there still, and
            the next delta has to look at everybody.
    """
    if _is_booked(connection, version, epoch):
        return
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(
            "update serving.publications set"
            " state = case when version = %(version)s then 'live'"
            "   when state = 'building' then 'abandoned'"
            "   when expires_at <= %(now)s then 'expired' else 'previous' end,"
            " published_at = case when version = %(version)s"
            "   then coalesce(published_at, %(at)s) else published_at end,"
            " epoch = case when version = %(version)s then %(epoch)s else epoch end"
            " where (version = %(version)s or state in ('live', 'previous')"
            "        or (state = 'building' and epoch < %(epoch)s))"
            " and not exists (select from serving.publications newer"
            "   where newer.state = 'live' and newer.epoch > %(epoch)s)",
            {"version": version, "epoch": epoch, "at": at, "now": now},
        )
        connection.execute(
            "with applied as ("
            " update serving.deltas set state = 'applied', applied_at = %(at)s"
            " where epoch = %(epoch)s and state in ('building', 'abandoned') returning *)"
            " update serving.publications p set score_set = applied.score_set,"
            " records = applied.records,"
            " contents = case when %(is_counted)s then applied.contents"
            "   else applied.contents || %(uncounted)s end"
            " from applied where p.version = applied.version",
            {
                "epoch": epoch,
                "at": at,
                "is_counted": is_counted,
                "uncounted": Jsonb({"scored": None}),
            },
        )
        connection.execute(_ABANDON + " and epoch < %s" + _UNCOUNT, (epoch,))


def _is_booked(connection: Connection[TupleRow], version: int, epoch: int) -> bool:
    row = connection.execute(
        "select from serving.publications p where version = %(version)s and epoch = %(epoch)s"
        " and state = 'live' and not exists (select from serving.publications other"
        "   where other.state = 'building' and other.epoch < %(epoch)s)"
        " and not exists (select from serving.deltas d"
        "   where d.state = 'building' and d.epoch <= %(epoch)s)",
        {"version": version, "epoch": epoch},
    ).fetchone()
    return row is not None


def publications(connection: Connection[TupleRow]) -> list[PublicationRow]:
    """Return all publications, the newest first."""
    with connection.cursor(row_factory=class_row(PublicationRow)) as cursor:
        return cursor.execute(_PUBLICATIONS + " order by p.version desc").fetchall()


def live(connection: Connection[TupleRow]) -> PublicationRow | None:
    """Return the publication that is live as far as Postgres knows."""
    with connection.cursor(row_factory=class_row(PublicationRow)) as cursor:
        return cursor.execute(_PUBLICATIONS + " where p.state = 'live'").fetchone()


def deltas(connection: Connection[TupleRow], version: int) -> list[DeltaRow]:
    """Return the deltas of a version, the oldest first."""
    with connection.cursor(row_factory=class_row(DeltaRow)) as cursor:
        return cursor.execute(_DELTAS + " where version = %s order by epoch", (version,)).fetchall()


def publication(connection: Connection[TupleRow], version: int) -> PublicationRow | None:
    """Return one publication."""
    with connection.cursor(row_factory=class_row(PublicationRow)) as cursor:
        return cursor.execute(_PUBLICATIONS + " where p.version = %s", (version,)).fetchone()


def _scalar(connection: Connection[TupleRow], query: Any, *parameters: Any) -> int:
    row = connection.execute(query, parameters).fetchone()
    if row is None:
        raise RuntimeError("a query that always answers gave no row")
    return int(row[0])
