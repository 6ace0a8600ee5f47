"""Drop the oldest months of ``raw.events``: whole partitions, and only what is built.

A month goes once every event in it is older than the policy allows, counted back from the instant
that the warehouse is built through. ``raw.message_keys`` stays, so that a replay cannot bring an
old event in twice, and so does everything that dbt built.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow

from footfall.errors import NotReady
from footfall.warehouse.build_plan import BUILDING, FENCE
from footfall.warehouse.verdicts import pending_loads

PATIENCE = "30s"  # of waiting for who reads or loads; loads that start meanwhile wait, too

_OLD = """
select relname
from pg_inherits inner join pg_class on pg_class.oid = inhrelid
where inhparent = 'raw.events'::regclass and relname < raw.partition_of(%s::date)
order by relname
"""


@dataclass(frozen=True)
class Retention:
    """What was dropped, or would be.

    Attributes:
        dropped_before: every dropped event is earlier, and every earlier one is dropped.
        partitions: the tables, the oldest month first.
        rows: the events in them.
        rejects_blanked: records set aside that lost their bytes.
    """

    dropped_before: datetime
    partitions: tuple[str, ...]
    rows: int
    rejects_blanked: int


def plan(connection: Connection[TupleRow], older_than: timedelta) -> Retention:
    """Return what the policy lets go now.

    Raises:
        NotReady: nothing is built, the last build did not finish, or a load that is not built has
            events in a month that would go.
    """
    policy = (_built_through(connection) - older_than).astimezone(UTC)
    before = datetime(policy.year, policy.month, 1, tzinfo=UTC)
    names = [name for (name,) in connection.execute(_OLD, (before,))]
    _refuse_unbuilt(connection, names)
    return Retention(
        dropped_before=before,
        partitions=tuple(f"raw.{name}" for name in names),
        rows=sum(_rows_of(connection, name) for name in names),
        rejects_blanked=_old_rejects(connection, before),
    )


def drop(connection: Connection[TupleRow], older_than: timedelta) -> Retention:
    """Drop what the policy lets go, in the connection's transaction; note it in ops.retentions.

    Waits until nobody builds. Raises as ``plan`` does, and NotReady while others use raw.events.
    """
    for lock in (BUILDING, FENCE):
        connection.execute(f"select pg_advisory_xact_lock({lock})")
    connection.execute(f"set local lock_timeout = '{PATIENCE}'")
    try:
        connection.execute("lock table raw.events in access exclusive mode")
    except LockNotAvailable:
        raise NotReady(
            f"somebody has read or loaded raw.events for {PATIENCE}; see that they end, and run it "
            "again"
        ) from None
    dropped = plan(connection, older_than)
    if not dropped.partitions and not dropped.rejects_blanked:
        return dropped
    for name in dropped.partitions:
        connection.execute(sql.SQL("drop table {}").format(sql.Identifier(*name.split("."))))
    connection.execute(
        "update raw.rejected_events set raw = null, detail = 'dropped by retention'"
        " where raw is not null and received_at < %s",
        (dropped.dropped_before,),
    )
    connection.execute(
        "insert into ops.retentions (dropped_before, partitions, rows, rejects_blanked)"
        " values (%s, %s, %s, %s)",
        (
            dropped.dropped_before,
            list(dropped.partitions),
            dropped.rows,
            dropped.rejects_blanked,
        ),
    )
    return dropped


def _built_through(connection: Connection[TupleRow]) -> datetime:
    row = connection.execute(
        "select built_through, exists (select from ops.builds where build_id > last.build_id)"
        " from ops.builds as last where finished_at is not null order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        raise NotReady("nothing is built yet, and what is not built is kept; run: footfall build")
    built_through: datetime = row[0]
    if row[1]:
        raise NotReady("the last build did not finish and needs its events; run: footfall build")
    return built_through


def _refuse_unbuilt(connection: Connection[TupleRow], names: Sequence[str]) -> None:
    pending = pending_loads(connection)
    for name in names:
        row = connection.execute(
            sql.SQL("select min(load_id) from raw.{} where load_id = any(%s)").format(
                sql.Identifier(name)
            ),
            (pending,),
        ).fetchone()
        if row is not None and row[0] is not None:
            raise NotReady(
                f"load {row[0]} has events in raw.{name} and is not built yet; run: footfall gate "
                "raw, and footfall build"
            )


def _rows_of(connection: Connection[TupleRow], name: str) -> int:
    query = sql.SQL("select count(*) from raw.{}").format(sql.Identifier(name))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _old_rejects(connection: Connection[TupleRow], before: datetime) -> int:
    row = connection.execute(
        "select count(*) from raw.rejected_events where raw is not null and received_at < %s",
        (before,),
    ).fetchone()
    assert row is not None
    return int(row[0])
