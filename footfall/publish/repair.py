"""Notice that Redis has lost what is live (flushed, failed over, evicted), and publish it again."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import NotFound
from footfall.publish.publication import Publication, publish
from footfall.publish.store import Store, opened
from footfall.publish.verifying import compare_version, moved
from footfall.settings import settings
from footfall.warehouse import publications as table
from footfall.warehouse.connection import connect
from footfall.warehouse.publications import PublicationRow


@dataclass(frozen=True)
class Health:
    """What is live by Postgres, and what Redis lacks of it; ``problem`` None: nothing."""

    version: str
    score_set: int
    records: int
    problem: str | None

    def line(self) -> str:
        """Return what was found in one line."""
        if self.problem is None:
            return f"version {self.version} is live, all {self.records:,} records as written"
        return f"version {self.version}: {self.problem}"


def verify(*, now: datetime) -> Health:
    """Compare every record of the live publication with Redis.

    Raises:
        NotFound: nothing is live, or its time is over.
        NotReady: Redis may evict records.
        ServerUnavailable: Postgres or Redis does not answer.
    """
    with connect(autocommit=True) as connection, opened(settings().redis) as store:
        live = table.live(connection)
        if live is None or live.expires_at is None or live.expires_at <= now:
            raise NotFound("nothing is live, or its time is over; publish: footfall publish")
        store.prepare(expires_at=live.expires_at)
        problem = _problem(connection, store, live, now)
        return Health(str(live.version), live.score_set, live.records or 0, problem)


def repair(*, now: datetime, actor: str) -> Publication | None:
    """Publish what is live again, if Redis has lost any of it; None if there is nothing to do.

    Raises:
        NotReady, Fenced, ServerUnavailable: as ``publish`` does.
    """
    try:
        health = verify(now=now)
    except NotFound:
        return None
    return publish_again(health, now=now, actor=actor)


def publish_again(health: Health, *, now: datetime, actor: str) -> Publication | None:
    """Publish what was found damaged; None if it was not.

    It is the set that was live: what was accepted of it then is accepted again, and noted.

    Raises:
        Fenced: something else has gone live since.
        NotReady, ServerUnavailable: as ``publish`` does.
    """
    if health.problem is None:
        return None
    return publish(now=now, actor=actor, full=True, accept=True, score_set=health.score_set)


def _problem(
    connection: Connection[TupleRow], store: Store, live: PublicationRow, now: datetime
) -> str | None:
    last = store.last_flip()
    if last is not None and last.epoch > live.epoch:
        return None  # somebody has published since, and books it in a moment, or at the next run
    if why := moved(store, live, last):
        return why
    found = compare_version(connection, store, live.version, now=now)
    if found.is_whole:
        return None
    return (
        f"of {found.records:,} records {found.missing:,} are gone from Redis at {store.address} "
        f"and {found.wrong:,} are not as written (first: {found.first})"
    )
