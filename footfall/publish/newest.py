"""Is there a score set to publish? Asked by who waits for one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow, class_row

from footfall.errors import NotReady
from footfall.settings import settings
from footfall.warehouse.awaited import Awaited, newest_awaited
from footfall.warehouse.connection import connect
from footfall.warehouse.publications import NEWEST_UNPUBLISHED


@dataclass(frozen=True)
class ReadyScoreSet:
    """The newest complete set: it passed its gate, and is newer than all that was ever live."""

    score_set: int
    as_of: datetime


def newest_unpublished(connection: Connection[TupleRow]) -> ReadyScoreSet | None:
    """Return the newest complete set if its gate passed it and it never was live, else None."""
    with connection.cursor(row_factory=class_row(ReadyScoreSet)) as cursor:
        return cursor.execute(NEWEST_UNPUBLISHED).fetchone()


async def newest_unpublished_async(
    connection: AsyncConnection[TupleRow],
) -> ReadyScoreSet | None:
    """Return the same without blocking the event loop."""
    async with connection.cursor(row_factory=class_row(ReadyScoreSet)) as cursor:
        await cursor.execute(NEWEST_UNPUBLISHED)
        return await cursor.fetchone()


def watch_score_sets(*, now: datetime) -> Awaited | None:
    """Return the set that waits to be published; None if all that was scored was live.

    Raises:
        NotReady: it is complete, and has waited for too long; says why.
    """
    with connect() as connection:
        awaited = newest_awaited(connection)
    if awaited is None or awaited.completed_at is None:
        return awaited
    longest = settings().unpublished_minutes
    if now - awaited.completed_at > timedelta(minutes=longest):
        raise NotReady(
            f"{awaited.problem}; complete since {awaited.completed_at:%Y-%m-%dT%H:%M:%SZ}, which "
            f"is longer than FOOTFALL_UNPUBLISHED_MINUTES={longest}"
        )
    return awaited
