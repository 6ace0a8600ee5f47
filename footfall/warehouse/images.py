"""Images: what Redis holds of each version, as ``serving.published_records`` keeps it.

Per version and customer a hash of what the record says (without its instants), its SHA-1, its
segment and when it expires. With it Postgres can tell which records a new score set changes,
without anybody reading all of them, and whether Redis has lost any.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, NamedTuple

from psycopg import Connection
from psycopg.errors import UndefinedColumn, UndefinedTable
from psycopg.rows import TupleRow, class_row

from footfall.warehouse.records import not_built

_TYPES = ("text", "int8", "bytea", "text", "timestamptz")


class ImageRow(NamedTuple):
    """What Redis holds of one customer; None for content and sha1: it is not known."""

    customer_id: str
    content: int | None
    sha1: bytes | None
    segment: str
    expires_at: datetime


@dataclass(frozen=True)
class Paired:
    """Two versions beside each other, in numbers."""

    before: int
    kept: int
    new: int
    changed: int
    segment_changed: int


Images = Callable[[ImageRow], None]
"""Where the rows of an image go."""


@contextmanager
def new_image(connection: Connection[TupleRow], version: int) -> Iterator[Images]:
    """Yield what takes the image of a new version, row by row; kept if the block ends well."""
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(
            "copy serving.published_records"
            " (version, customer_id, content, sha1, segment, expires_at) from stdin (format binary)"
        ) as copy,
    ):
        copy.set_types(["int8", *_TYPES])

        def add(row: ImageRow) -> None:
            copy.write_row((version, *row))

        yield add


def image(
    connection: Connection[TupleRow], version: int, *, now: datetime
) -> Generator[ImageRow, None, None]:
    """Yield what Redis should hold of a version now, by customer_id in the order of bytes."""
    with (
        connection.transaction(),
        connection.cursor() as cursor,
        cursor.copy(
            "copy (select customer_id, content, sha1, segment, expires_at"
            " from serving.published_records where version = %s and expires_at > %s"
            " order by customer_id) to stdout (format binary)",
            (version, now),
        ) as copy,
    ):
        copy.set_types(_TYPES)
        yield from map(ImageRow._make, copy.rows())


def sample(
    connection: Connection[TupleRow], version: int, *, now: datetime, size: int
) -> dict[str, bytes]:
    """Return some customers' SHA-1 in a version: the same ones as long as it does not change."""
    return dict(
        connection.execute(
            "select customer_id, sha1 from serving.published_records"
            " where version = %s and expires_at > %s and sha1 is not null"
            " order by customer_id limit %s",
            (version, now, size),
        ).fetchall()
    )


def pair(connection: Connection[TupleRow], before: int, after: int) -> Paired:
    """Compare the images of two versions."""
    with connection.cursor(row_factory=class_row(Paired)) as cursor:
        found = cursor.execute(
            "with old as (select * from serving.published_records where version = %s),"
            " new as (select * from serving.published_records where version = %s)"
            " select count(old.customer_id) as before,"
            " count(*) filter (where old.customer_id = new.customer_id) as kept,"
            " count(*) filter (where old.customer_id is null) as new,"
            " count(*) filter (where old.customer_id = new.customer_id"
            "   and old.content is distinct from new.content) as changed,"
            " count(*) filter (where old.customer_id = new.customer_id"
            "   and old.segment <> new.segment) as segment_changed"
            " from old full join new on old.customer_id = new.customer_id",
            (before, after),
        ).fetchone()
    assert found is not None, "an aggregate gives a row"
    return found


def withdrawn(connection: Connection[TupleRow], version: int, score_set: int) -> list[str]:
    """Return the customers of an image who may not be profiled any more, or were erased.

    Raises:
        NotReady: the warehouse is not built.
    """
    try:
        rows = connection.execute(
            "select r.customer_id from serving.published_records r"
            " left join analytics.dim_customers c"
            " on c.customer_id = r.customer_id and c.is_profilable"
            " where r.version = %(version)s and (c.customer_id is null or not exists ("
            "   select from ml.scores s"
            "   where s.score_set = %(score_set)s and s.customer_id = r.customer_id))",
            {"version": version, "score_set": score_set},
        ).fetchall()
    except (UndefinedTable, UndefinedColumn) as error:
        raise not_built(error) from None
    return [name for (name,) in rows]


def still_allowed(
    connection: Connection[TupleRow], customer_ids: Sequence[str], score_set: int
) -> set[str]:
    """Return those of some customers who may be profiled now and are in the set."""
    rows = connection.execute(
        "select customer_id from analytics.dim_customers"
        " where customer_id = any(%(ids)s) and is_profilable and exists ("
        "   select from ml.scores where scores.customer_id = dim_customers.customer_id"
        "   and score_set = %(score_set)s)",
        {"ids": list(customer_ids), "score_set": score_set},
    ).fetchall()
    return {name for (name,) in rows}


def count(connection: Connection[TupleRow], version: int) -> int:
    """Return how many customers an image has."""
    row = connection.execute(
        "select count(*) from serving.published_records where version = %s", (version,)
    ).fetchone()
    return int(row[0]) if row else 0


def drop(connection: Connection[TupleRow], version: int, customer_ids: Sequence[str]) -> None:
    """Take customers out of an image."""
    connection.execute(
        "delete from serving.published_records where version = %s and customer_id = any(%s)",
        (version, list(customer_ids)),
    )


def doubt(
    connection: Connection[TupleRow],
    version: int,
    rows: Iterable[ImageRow],
    gone: Sequence[str],
) -> None:
    """Note, before a delta is applied, that its customers' records may be old or new, or gone."""
    with connection.transaction():
        _upsert(connection, version, rows, content="null", sha1="null")
        connection.execute(
            "update serving.published_records set content = null, sha1 = null"
            " where version = %s and customer_id = any(%s)",
            (version, list(gone)),
        )


def replace(connection: Connection[TupleRow], version: int, rows: Iterable[ImageRow]) -> None:
    """Note, once a delta was applied, what its customers' records are now."""
    _upsert(connection, version, rows, content="new.content", sha1="new.sha1")


def _upsert(
    connection: Connection[TupleRow],
    version: int,
    rows: Iterable[ImageRow],
    *,
    content: LiteralString,
    sha1: LiteralString,
) -> None:
    given = list(rows)
    connection.execute(
        "insert into serving.published_records"
        f" select %s, new.customer_id, {content}, {sha1}, new.segment, new.expires_at"
        " from unnest(%s::text[], %s::int8[], %s::bytea[], %s::text[], %s::timestamptz[])"
        "   as new (customer_id, content, sha1, segment, expires_at)"
        " on conflict (version, customer_id) do update set content = excluded.content,"
        " sha1 = excluded.sha1, segment = excluded.segment, expires_at = excluded.expires_at",
        (
            version,
            [row.customer_id for row in given],
            [row.content for row in given],
            [row.sha1 for row in given],
            [row.segment for row in given],
            [row.expires_at for row in given],
        ),
    )


def forget_images(connection: Connection[TupleRow], *, now: datetime) -> None:
    """Delete the images of versions that nobody can go back to."""
    connection.execute(
        "delete from serving.published_records where version in ("
        " select distinct image.version from ("
        "   with recursive versions as ("
        "     (select version from serving.published_records order by version limit 1)"
        "     union all"
        "     select (select r.version from serving.published_records r"
        "             where r.version > versions.version order by r.version limit 1)"
        "     from versions where versions.version is not null)"
        "   select version from versions where version is not null) image"
        " left join serving.publications p using (version)"
        " where p.state is null or p.state in ('abandoned', 'refused', 'expired')"
        " or (p.state = 'previous' and p.expires_at <= %s))",
        (now,),
    )
