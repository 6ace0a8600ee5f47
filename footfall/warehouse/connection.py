"""Connections to the database ``footfall``."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from footfall.errors import ServerUnavailable
from footfall.settings import settings

CONNECT_SECONDS = 10


def connect(dsn: str | None = None, *, autocommit: bool = False) -> Connection[TupleRow]:
    """Open a connection whose session speaks UTC.

    Raises:
        ServerUnavailable: nothing answers within 10 s; names host and port, no password.
    """
    address = dsn or settings().postgres
    try:
        return psycopg.connect(
            address,
            autocommit=autocommit,
            connect_timeout=CONNECT_SECONDS,
            application_name="footfall",
            options="-c timezone=UTC",
        )
    except psycopg.OperationalError as error:
        place = psycopg.conninfo.conninfo_to_dict(address)
        where = f"{place.get('host', 'localhost')}:{place.get('port', 5432)}"
        reason = str(error).strip().splitlines()[-1]
        raise ServerUnavailable(
            f"Postgres at {where} does not answer ({reason}); start it with: footfall up"
        ) from None


@contextmanager
def transaction(dsn: str | None = None) -> Iterator[Connection[TupleRow]]:
    """Yield a connection in one transaction: commit at the end, roll back on any error."""
    with connect(dsn) as connection:
        yield connection


def texts(
    connection: Connection[TupleRow],
    query: LiteralString | sql.Composed,
    values: Sequence[object] | Mapping[str, object] | None = None,
) -> set[str]:
    """Return the only column of what a query finds, each text once."""
    return {str(text) for (text,) in connection.execute(query, values)}
