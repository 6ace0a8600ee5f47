"""The audit log in Postgres: who did what to whom, each entry chained to the one before by SHA-256.

An entry is never changed. ``privacy.audit_head`` holds the chain's length and last link. Ids of
people do not belong in here: subjects are models, versions, score sets and hashes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

LOCK = 0x61756469  # one appender at a time, until its transaction ends
FIRST = "0" * 64  # what the first entry is chained to
ENTRIES_PER_FETCH = 2000


@dataclass(frozen=True)
class Entry:
    """One act. ``detail`` is the JSON text as Postgres writes it."""

    entry_id: int
    at: datetime
    actor: str
    act: str
    subject: str
    detail: str
    previous_sha256: str
    sha256: str


@dataclass(frozen=True)
class Head:
    """How many entries there are, and the last one's hash."""

    entries: int
    sha256: str


def append(
    connection: Connection[TupleRow],
    *,
    actor: str,
    act: str,
    subject: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> str:
    """Add an entry in the connection's transaction: the act and its entry stand or fall together.

    Args:
        connection: in a transaction; other appenders wait until it ends.
        actor: who did it.
        act: what, as a verb: ``erase``, ``promote``, ``publish``, ``roll back``.
        subject: to what; a pseudonym, never an id that people know.
        detail: more, as JSON; no personal data.
        now: when.

    Returns:
        The entry's SHA-256.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        last = head(connection)
        text = _as_stored(connection, detail)
        link = entry_sha256(
            at=now, actor=actor, act=act, subject=subject, detail=text, previous=last.sha256
        )
        connection.execute(
            "insert into privacy.audit_log"
            " (at, actor, act, subject, detail, previous_sha256, sha256)"
            " values (%s, %s, %s, %s, %s::jsonb, %s, %s)",
            (now, actor, act, subject, text, last.sha256, link),
        )
        connection.execute(
            "insert into privacy.audit_head (entries, sha256) values (%s, %s)"
            " on conflict (is_only) do update"
            " set entries = excluded.entries, sha256 = excluded.sha256",
            (last.entries + 1, link),
        )
    return link


def entry_sha256(
    *, at: datetime, actor: str, act: str, subject: str, detail: str, previous: str
) -> str:
    """Return the hash of an entry: SHA-256 of its fields and the previous hash as canonical JSON.

    Keys are sorted, nothing is escaped but what JSON requires, and the instant is in UTC.
    """
    fields = {
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": actor,
        "act": act,
        "subject": subject,
        "detail": detail,
        "previous_sha256": previous,
    }
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def head(connection: Connection[TupleRow]) -> Head:
    """Return the noted end of the chain."""
    with connection.cursor(row_factory=class_row(Head)) as cursor:
        noted = cursor.execute("select entries, sha256 from privacy.audit_head").fetchone()
    return noted or Head(0, FIRST)


def entries(connection: Connection[TupleRow]) -> Iterator[Entry]:
    """Yield the entries, the oldest first."""
    with (
        connection.transaction(),
        connection.cursor("entries", row_factory=class_row(Entry)) as all_,
    ):
        all_.itersize = ENTRIES_PER_FETCH
        yield from all_.execute(
            "select entry_id, at, actor, act, subject, detail::text as detail,"
            " previous_sha256, sha256 from privacy.audit_log order by entry_id"
        )


def _as_stored(connection: Connection[TupleRow], detail: Mapping[str, Any]) -> str:
    """Return the JSON as Postgres will give it back, so that the hash is of what is kept."""
    row = connection.execute("select (%s::jsonb)::text", (Jsonb(dict(detail)),)).fetchone()
    assert row is not None
    return str(row[0])
