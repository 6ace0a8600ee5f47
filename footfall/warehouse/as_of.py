"""The instants that are meant when nobody names one."""

from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import NotReady


def newest_as_of(connection: Connection[TupleRow]) -> datetime:
    """Return the first UTC midnight after the newest stored event, by the ledger of loads.

    Raises:
        NotReady: no event is stored.
    """
    row = connection.execute(
        "select (date_trunc('day', max(newest_event_at) at time zone 'UTC') + interval '1 day')"
        " at time zone 'UTC' from raw.loads where kind = 'events'"
    ).fetchone()
    if row is None or row[0] is None:
        raise NotReady("raw.events holds no event; store some with: footfall ingest")
    instant: datetime = row[0]
    return instant


def newest_snapshot(connection: Connection[TupleRow]) -> datetime:
    """Return the newest snapshot that is built.

    Raises:
        NotReady: none is.
    """
    row = connection.execute(
        "select max(as_of) from ops.snapshots where build_id is not null"
    ).fetchone()
    if row is None or row[0] is None:
        raise NotReady("nothing is built yet; run: footfall build")
    newest: datetime = row[0]
    return newest
