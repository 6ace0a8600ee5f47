"""Is there a score set to publish? Asked by who waits for one."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow, class_row

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
