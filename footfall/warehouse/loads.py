"""Store micro-batches: rows, rejects, ledger and offsets in one transaction.

Locks are taken in one order (offsets, erasures, partitions, message keys, rejects by position), so
that two loads at once wait for each other and never deadlock.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from psycopg import Connection, DataError, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout, LockNotAvailable, UniqueViolation
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from footfall.errors import Fenced, ServerUnavailable
from footfall.events.event import Reason, Reject
from footfall.warehouse import offsets, rejects
from footfall.warehouse.connection import connect
from footfall.warehouse.offsets import Gap, Offset
from footfall.warehouse.rejects import RejectRow

LOCK_SECONDS = 60  # of waiting for another loader, and of a loader that does nothing meanwhile
NOT_STORABLE = Reject(reason=Reason.NOT_STORABLE, detail="Postgres does not take it as jsonb")
ATTEMPTS = 5  # at a transaction that others keep overtaking

Result = TypeVar("Result")


@dataclass(frozen=True)
class Range:
    """The offsets [start, end) of one partition that a load read.

    ``expected`` is where the ledger wanted to start: another offset than ``start`` is a gap that
    was accepted.
    """

    topic: str
    partition: int
    start: int
    end: int
    expected: int | None = None


@dataclass(frozen=True)
class Origin:
    """What a load was read from, and when it began by the database's clock."""

    cluster_id: str
    started_at: datetime
    ranges: Sequence[Range]
    topic_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """How many rows a batch stored, and the span of their own time."""

    stored: int
    oldest: datetime | None = None
    newest: datetime | None = None


class Batch(Protocol):
    """What one micro-batch read: rows to write, and records to set aside."""

    kind: str
    records_read: int
    rejects: list[RejectRow]

    def write(self, connection: Connection[TupleRow], load_id: int) -> Written:
        """Store what is new, in the connection's open transaction."""
        ...

    def set_aside_unstorable(self, connection: Connection[TupleRow]) -> None:
        """Make rejects of the rows whose JSON Postgres refuses."""
        ...


@dataclass(frozen=True)
class Load:
    """One row of ``raw.loads``: records_read = stored + duplicates + rejected."""

    load_id: int
    records_read: int
    stored: int
    duplicates: int
    rejected: int


@contextmanager
def session() -> Iterator[Connection[TupleRow]]:
    """Yield a connection whose transactions are opened by hand.

    Raises:
        ServerUnavailable: Postgres does not answer, or went away meanwhile.
        Fenced: another loader stands still and keeps its locks; or this one did, and lost them.
    """
    with connect(autocommit=True) as connection:
        connection.execute(_PATIENCE, {"patience": f"{LOCK_SECONDS}s"})
        try:
            yield connection
        except LockNotAvailable:
            raise Fenced(
                f"another loader, or an erasure, has kept its locks for {LOCK_SECONDS} s without "
                "an end; see that it goes on, or stop it, and run this again"
            ) from None
        except IdleInTransactionSessionTimeout:
            raise Fenced(
                f"this loader stood still for over {LOCK_SECONDS} s in the middle of a "
                "transaction, and Postgres ended that; nothing of it was written: run it again"
            ) from None
        except OperationalError as error:
            if not connection.closed:
                raise
            where = f"{connection.info.host}:{connection.info.port}"
            raise ServerUnavailable(
                f"Postgres at {where} went away ({str(error).splitlines()[0]}); "
                "what was not committed is loaded by the next run"
            ) from None


def clock(connection: Connection[TupleRow]) -> datetime:
    """Return the database server's time: the one clock that all loads share."""
    now: datetime = _one(connection, "select clock_timestamp()")[0]
    return now


def in_transaction(connection: Connection[TupleRow], work: Callable[[], Result]) -> Result:
    """Do some work in a transaction; again where another loader stored one of its rows meanwhile.

    Raises:
        Fenced: others were faster every time; nothing was written.
    """
    for _ in range(ATTEMPTS):
        try:
            with connection.transaction():
                return work()
        except UniqueViolation as error:
            overtaken = str(error).splitlines()[0]
    raise Fenced(f"other loaders stored the same events first ({overtaken}); run it again")


def store(
    connection: Connection[TupleRow],
    origin: Origin,
    batch: Batch,
    moves: Sequence[tuple[Offset, int]] = (),
    gaps: Sequence[Gap] = (),
) -> Load:
    """Store one micro-batch and move the offsets, in the connection's open transaction.

    Args:
        connection: in a transaction that the caller commits.
        origin: where the batch comes from, for the ledger.
        batch: the records; each is stored, a duplicate or rejected.
        moves: the offsets as they were read before, and where they shall be now.
        gaps: what was accepted as missing before this load.

    Raises:
        Fenced: another loader has moved one of the offsets; the transaction must be rolled back.
        UniqueViolation: another loader stored one of the events meanwhile; roll back, do it again.
    """
    load_id = _open_load(connection, origin, batch.kind)
    offsets.move(connection, origin.cluster_id, origin.topic_ids, moves, load_id)
    offsets.note_gaps(connection, origin.cluster_id, gaps, accepted=True, load_id=load_id)
    connection.execute("lock table privacy.erasures in share mode")
    written = _write(connection, batch, load_id)
    rejected = rejects.insert(
        connection, origin.cluster_id, origin.topic_ids, batch.rejects, load_id
    )
    load = Load(
        load_id=load_id,
        records_read=batch.records_read,
        stored=written.stored,
        duplicates=batch.records_read - written.stored - rejected,
        rejected=rejected,
    )
    connection.execute(
        "update raw.loads set records_read = %s, stored = %s, duplicates = %s, rejected = %s,"
        " oldest_event_at = %s, newest_event_at = %s, committed_at = clock_timestamp()"
        " where load_id = %s",
        (
            load.records_read,
            load.stored,
            load.duplicates,
            load.rejected,
            written.oldest,
            written.newest,
            load_id,
        ),
    )
    return load


def _write(connection: Connection[TupleRow], batch: Batch, load_id: int) -> Written:
    """Write a batch. One row that Postgres refuses must not hold back all others for ever."""
    try:
        with connection.transaction():
            return batch.write(connection, load_id)
    except DataError:
        batch.set_aside_unstorable(connection)
        return batch.write(connection, load_id)


def unstorable(connection: Connection[TupleRow], texts: Sequence[bytes]) -> list[int]:
    """Return the positions of those JSON texts that Postgres does not take as jsonb."""
    found = connection.execute(
        "select number - 1 from unnest(%s::text[]) with ordinality as sent (json, number)"
        " where not pg_input_is_valid(json, 'jsonb')",
        ([text.decode() for text in texts],),
    )
    return [number for (number,) in found]


def _open_load(connection: Connection[TupleRow], origin: Origin, kind: str) -> int:
    read = [
        {"topic": r.topic, "partition": r.partition, "from": r.start, "to": r.end}
        | ({} if r.expected in (None, r.start) else {"expected": r.expected})
        for r in origin.ranges
    ]
    row = _one(
        connection,
        "insert into raw.loads (cluster_id, kind, started_at, records_read, stored, duplicates,"
        " rejected, offset_ranges) values (%s, %s, %s, 0, 0, 0, 0, %s) returning load_id",
        (origin.cluster_id, kind, origin.started_at, Jsonb(read)),
    )
    return int(row[0])


def _one(connection: Connection[TupleRow], statement: str, values: Any = None) -> TupleRow:
    row = connection.execute(statement, values).fetchone()
    assert row is not None, "the statement returns one row"
    return row


_PATIENCE = """
select
    set_config('lock_timeout', %(patience)s, false),
    set_config('idle_in_transaction_session_timeout', %(patience)s, false)
"""
