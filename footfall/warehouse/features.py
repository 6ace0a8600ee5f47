"""Read features and labels as of, in bulk: what ml trains on and scores."""

import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from footfall.errors import NotReady

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Buffer

    from ml.labels import Label

BUFFER_BYTES = 1 << 18


def built_through(connection: Connection[TupleRow]) -> datetime:
    """Return the instant that the newest finished build reaches.

    Raises:
        NotReady: nothing is built yet.
    """
    row = connection.execute(
        "select built_through from ops.builds where finished_at is not null"
        " order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        raise NotReady("nothing is built yet; run: footfall build")
    built: datetime = row[0]
    return built


def first_event_at(connection: Connection[TupleRow]) -> datetime:
    """Return when the shop's first customer was first seen.

    Raises:
        NotReady: there is no customer.
    """
    row = connection.execute("select min(first_seen_at) from analytics.dim_customers").fetchone()
    if row is None or row[0] is None:
        raise NotReady("the warehouse has no customer; run: footfall ingest, then: footfall build")
    first: datetime = row[0]
    return first


def feature_columns(connection: Connection[TupleRow]) -> list[str]:
    """Return the features that the warehouse has, in its order; empty before a build."""
    return [
        name
        for (name,) in connection.execute(
            "select column_name::text from information_schema.columns"
            " where table_schema = 'analytics' and table_name = 'customer_features'"
            " and column_name not in ('customer_id', 'as_of') order by ordinal_position"
        )
    ]


def require_columns(connection: Connection[TupleRow], names: Sequence[str]) -> None:
    """Check that the warehouse has these features.

    Raises:
        NotReady: it lacks some; names the first.
    """
    there = set(feature_columns(connection))
    if lacking := [name for name in names if name not in there]:
        raise NotReady(
            f"analytics.customer_features has no {lacking[0]}; rebuild it with: "
            "footfall build --full-refresh, or train the models again"
        )


def read_labelled(
    connection: Connection[TupleRow],
    label: "Label",
    as_ofs: Sequence[datetime],
    names: Sequence[str],
) -> "pd.DataFrame":
    """Read the labelled snapshots of customers who allow profiling today.

    Args:
        connection: to the warehouse.
        label: what is predicted; rows outside its population are left out.
        as_ofs: the snapshots.
        names: the features to read.

    Returns:
        customer_id, as_of (UTC), the features as float64 (null = NaN) and ``label`` (0.0 or 1.0),
        ordered by as_of and customer_id.
    """
    (frame,) = read_labelled_chunks(connection, label, as_ofs, names, chunk_rows=None)
    return frame


def read_labelled_chunks(
    connection: Connection[TupleRow],
    label: "Label",
    as_ofs: Sequence[datetime],
    names: Sequence[str],
    *,
    traits: Sequence[str] = (),
    history: Sequence[str] = (),
    with_segment: bool = False,
    chunk_rows: int | None,
) -> Generator["pd.DataFrame"]:
    """Yield what `read_labelled` returns as it comes, at most ``chunk_rows`` rows at once.

    Besides, the traits of these names as text, in columns ``trait:name``, these columns of
    ``analytics.customer_repeat_summary`` as float64, and ``segment``, that of
    ``analytics.customer_rfm`` at as_of as text (null = no order yet). Close it before the
    connection is used for anything else: it holds a COPY.
    """
    from ml.catalogue import SEGMENT, TRAIT

    query = sql.SQL(
        "select f.customer_id, f.as_of, {features}, {traits} {history} {segment} {label} as label"
        " {rows} order by f.as_of, f.customer_id"
    ).format(
        features=_columns(names),
        traits=sql.SQL("").join(
            sql.SQL("c.traits ->> {} as {}, ").format(
                sql.Literal(trait), sql.Identifier(TRAIT + trait)
            )
            for trait in traits
        ),
        history=sql.SQL("").join(
            sql.SQL("coalesce(s.{}, 0) as {}, ").format(*[sql.Identifier(name)] * 2)
            for name in history
        ),
        segment=sql.SQL("r.segment as {},").format(sql.Identifier(SEGMENT))
        if with_segment
        else sql.SQL(""),
        label=label_number(label, "l"),
        rows=_labelled(label, as_ofs, with_history=bool(history), with_segment=with_segment),
    )
    types = {**dict.fromkeys([*names, *history], "float64"), "label": "float64"}
    types |= {TRAIT + trait: "str" for trait in traits}
    types |= {SEGMENT: "str"} if with_segment else {}
    yield from _read_chunks(connection, query, types, chunk_rows)


def count_labelled(
    connection: Connection[TupleRow], label: "Label", as_ofs: Sequence[datetime]
) -> int:
    """Return how many rows `read_labelled` yields."""
    query = sql.SQL("select count(*) {rows}").format(rows=_labelled(label, as_ofs))
    ((rows,),) = connection.execute(query).fetchall()
    return int(rows)


def label_number(label: "Label", table: str) -> sql.Composed:
    """Return a label as a number: 0 or 1, or the amount."""
    number = sql.SQL("double precision" if label.kind == "amount" else "integer")
    return sql.SQL("{}::{}").format(sql.Identifier(table, label.column), number)


def _labelled(
    label: "Label",
    as_ofs: Sequence[datetime],
    *,
    with_history: bool = False,
    with_segment: bool = False,
) -> sql.Composed:
    joined = " left join analytics.{} using (customer_id, as_of)"
    return sql.SQL(
        "from analytics.customer_features f"
        " join analytics.customer_labels l using (customer_id, as_of)"
        + (joined.format("customer_repeat_summary s") if with_history else "")
        + (joined.format("customer_rfm r") if with_segment else "")
        + " join analytics.dim_customers c using (customer_id)"
        " where c.is_profilable and l.{label} is not null and f.as_of = any({as_ofs})"
    ).format(label=sql.Identifier(label.column), as_ofs=sql.Literal(list(as_ofs)))


def read_snapshot(
    connection: Connection[TupleRow],
    as_of: datetime,
    names: Sequence[str],
    *,
    activity_column: str | None,
    chunk_rows: int,
) -> Iterator["pd.DataFrame"]:
    """Yield the features of one instant in chunks, ordered by customer_id.

    Args:
        connection: to the warehouse; in one repeatable-read transaction, so that all chunks agree.
        as_of: the instant.
        names: the features to read.
        activity_column: only customers whose feature of this name is greater than 0; None = all.
        chunk_rows: at most so many rows at once.
    """
    active = (
        sql.SQL("f.{} > 0").format(sql.Identifier(activity_column))
        if activity_column
        else sql.SQL("true")
    )
    after = ""
    while True:
        query = sql.SQL(
            "select f.customer_id, f.as_of, {features}"
            " from analytics.customer_features f join analytics.dim_customers c using (customer_id)"
            " where f.as_of = {as_of} and f.customer_id > {after} and {active} and c.is_profilable"
            " order by f.customer_id limit {rows}"
        ).format(
            features=_columns(names),
            as_of=sql.Literal(as_of),
            after=sql.Literal(after),
            active=active,
            rows=sql.Literal(chunk_rows),
        )
        frame = _read(connection, query, dict.fromkeys(names, "float64"))
        if not frame.empty:
            after = str(frame["customer_id"].iloc[-1])
            yield frame
        if len(frame) < chunk_rows:
            return


def _columns(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("f.{}").format(sql.Identifier(name)) for name in names)


def _read(
    connection: Connection[TupleRow], query: sql.Composed, types: dict[str, Any]
) -> "pd.DataFrame":
    (frame,) = _read_chunks(connection, query, types, None)
    return frame


def _read_chunks(
    connection: Connection[TupleRow],
    query: sql.Composed,
    types: dict[str, Any],
    chunk_rows: int | None,
) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy ({}) to stdout (format csv, header)").format(query)) as copy,
        pd.read_csv(
            io.BufferedReader(_Stream(copy), BUFFER_BYTES),
            dtype={"customer_id": "str", **types},
            iterator=True,
            chunksize=chunk_rows,
        ) as parts,
    ):
        for frame in parts:
            yield frame.assign(as_of=pd.to_datetime(frame["as_of"], utc=True, format="ISO8601"))


class _Stream(io.RawIOBase):
    """What Postgres sends, as a file."""

    def __init__(self, blocks: Iterable[memoryview | bytes | bytearray]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(bytes(block))
        into = memoryview(buffer).cast("B")
        count = min(len(into), len(self._rest))
        into[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
