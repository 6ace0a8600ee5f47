"""A full publication: every customer's record under a version of its own, beside the live one."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime

from msgspec import json
from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import Fenced, NotReady
from footfall.publish import encoding
from footfall.publish.bounds import Comparison, Contents
from footfall.publish.bulk import BATCH, batches
from footfall.publish.judging import of_image
from footfall.publish.popular import Popular
from footfall.publish.store import Store
from footfall.publish.verifying import Checksum
from footfall.warehouse import images, records
from footfall.warehouse import publications as table
from footfall.warehouse.connection import connect
from footfall.warehouse.images import ImageRow
from footfall.warehouse.publications import PublicationRow, ScoreSetRow
from footfall.warehouse.records import RecordRow


def write_full(
    connection: Connection[TupleRow],
    store: Store,
    version: int,
    chosen: ScoreSetRow,
    live: PublicationRow | None,
    *,
    now: datetime,
    latest: datetime,
    reason: str,
) -> tuple[datetime, Comparison | None]:
    """Write a version and its image, read it back, and take out who withdrew meanwhile.

    Returns:
        When its last record expires, and how it compares with the live one (None: there is none).

    Raises:
        Fenced: a newer publisher was faster; it has abandoned this version.
        NotReady: the set has nobody to publish.
        FootfallError: records did not read back as written.
    """
    contents, checksum, expires_at = _write(
        connection, store, version, chosen, now=now, latest=latest
    )
    withdrawn = images.withdrawn(connection, version, chosen.score_set)
    if withdrawn:
        store.remove(version, withdrawn)
        images.drop(connection, version, withdrawn)
        with closing(images.image(connection, version, now=now)) as image:
            checksum = Checksum(image)
        contents = replace(contents, scored=None)
    row = table.publication(connection, version)
    if row is None or row.state != "building":
        raise Fenced(f"publication {version} came too late: a newer one is live already")
    if not checksum.records:
        raise _nobody(connection, chosen, now)
    seen = of_image(connection, version, chosen, contents, live) if live else None
    table.fill(
        connection,
        version,
        records=checksum.records,
        checksum=checksum.hexdigest(),
        expires_at=expires_at,
        contents=asdict(contents),
        comparison=None if seen is None else asdict(seen),
        reason=reason,
    )
    return expires_at, seen


def take_back(connection: Connection[TupleRow], store: Store, version: int, now: datetime) -> None:
    """Delete a version that was refused, from Redis and its image."""
    with closing(images.image(connection, version, now=now)) as image:
        for batch in batches((row.customer_id for row in image), BATCH):
            store.remove(version, batch)
    images.forget_images(connection, now=now)


def _write(
    connection: Connection[TupleRow],
    store: Store,
    version: int,
    chosen: ScoreSetRow,
    *,
    now: datetime,
    latest: datetime,
) -> tuple[Contents, Checksum, datetime]:
    tally, popular, checksum = encoding.new_tally(), Popular(), Checksum()
    models = records.models_of(connection, chosen.score_set)
    encoder = encoding.Encoder(version, chosen.as_of, models)
    first, last = latest, now
    with (
        connect() as second,
        images.new_image(second, version) as add,
        closing(
            records.stream_records(connection, chosen, models, now=now, expires_at=latest)
        ) as rows,
    ):

        def counted() -> Iterator[RecordRow]:
            nonlocal first, last
            for row in rows:
                popular.add(row.segment, json.decode(row.products, type=list[str]))
                first, last = min(first, row.expires_at), max(last, row.expires_at)
                yield row

        def keep(line: ImageRow) -> None:
            add(line)
            checksum.add(line)

        store.write(version, encoder.records(counted(), tally, keep))
    store.write_fallbacks(version, popular.fallbacks(version, last))
    return tally.contents(first), checksum, last


def _nobody(connection: Connection[TupleRow], chosen: ScoreSetRow, now: datetime) -> NotReady:
    scored, fresh = table.size(connection, chosen.score_set, now=now + records.LEAST_LIFE)
    if not fresh:
        return NotReady(
            f"score set {chosen.score_set} has no score that is fresh at {now.isoformat()} "
            f"and {records.LEAST_LIFE.seconds // 60} minutes later; "
            "run: footfall score"
        )
    return NotReady(
        f"score set {chosen.score_set} has no customer to publish: "
        f"none of its {scored} may be profiled"
    )
