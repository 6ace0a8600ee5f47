"""Does Redis hold what Postgres says was published? Record by record, by SHA-1."""

import hashlib
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.publish.bulk import batches
from footfall.publish.store import Flip, Store
from footfall.warehouse import images
from footfall.warehouse.images import ImageRow
from footfall.warehouse.publications import PublicationRow

ROWS = 2000
SAMPLE = 200
"""Records looked at before a delta is put beside them: what a flush or a failover took shows."""


@dataclass(frozen=True)
class Found:
    """What a comparison of an image with Redis found.

    Attributes:
        records: how many records there should be.
        missing: how many are not there.
        wrong: how many are not as they were written.
        first: a customer whose record is missing or wrong.
    """

    records: int
    missing: int
    wrong: int
    first: str | None

    @property
    def is_whole(self) -> bool:
        """Whether every record is there as it was written."""
        return not (self.missing or self.wrong)


def compare(store: Store, version: int | str, image: Iterable[ImageRow]) -> Found:
    """Compare records with their image, which comes by customer_id; unknown ones are left out."""
    count = missing = wrong = 0
    first = None
    for batch in batches((row for row in image if row.sha1 is not None), ROWS):
        found = store.digests(version, [row.customer_id for row in batch])
        for row in batch:
            count += 1
            sha1 = found.get(row.customer_id)
            if sha1 == row.sha1:
                continue
            missing += sha1 is None
            wrong += sha1 is not None
            first = first or row.customer_id
    return Found(count, missing, wrong, first)


class Checksum:
    """The SHA-256 over each customer_id, a zero byte, and the SHA-1 of the record.

    Records are added by customer_id.
    """

    def __init__(self, image: Iterable[ImageRow] = ()) -> None:
        """Add up the records that an image knows."""
        self.records = 0
        self._total = hashlib.sha256()
        for row in image:
            self.add(row)

    def add(self, row: ImageRow) -> None:
        """Add one record, if it is known."""
        if row.sha1 is None:
            return
        self.records += 1
        self._total.update(b"%b\0%b" % (row.customer_id.encode(), row.sha1))

    def hexdigest(self) -> str:
        """Return the checksum."""
        return self._total.hexdigest()


def compare_version(
    connection: Connection[TupleRow], store: Store, version: int, *, now: datetime
) -> Found:
    """Compare all of a version with its image."""
    with closing(images.image(connection, version, now=now)) as image:
        return compare(store, version, image)


def moved(store: Store, live: PublicationRow, last: Flip | None) -> str | None:
    """Return why ``ff:current`` is not what Postgres booked last; None: it is."""
    pointer = store.live_version()
    if last is None or pointer is None:
        return f"Redis at {store.address} holds no publication any more"
    if (pointer, last.version, last.epoch) != (str(live.version), live.version, live.epoch):
        return (
            f"Redis at {store.address} is at version {pointer}, epoch {last.epoch}; "
            f"booked is version {live.version}, epoch {live.epoch}"
        )
    return None


def lost(
    connection: Connection[TupleRow], store: Store, live: PublicationRow, *, now: datetime
) -> str | None:
    """Return what a sample of the live version's records lacks in Redis; None: nothing."""
    sample = images.sample(connection, live.version, now=now, size=SAMPLE)
    found = store.digests(live.version, sample)
    gone = [name for name, sha1 in sample.items() if found.get(name) != sha1]
    if not gone:
        return None
    return f"{len(gone)} of {len(sample)} records looked at are not in Redis as they were written"
