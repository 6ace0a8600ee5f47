"""What a build did: events taken in and how late, sessions split and joined, what else it changed.

The rows that a build makes anew are kept as they were (``int_rows_before``) and compared with what
became of them. Sessions are matched by the events that they share, not by their times: a device
that moves takes its events to another customer's sessions.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, TypeVar

import msgspec
from psycopg import Connection
from psycopg.rows import TupleRow, class_row, dict_row

from footfall.warehouse.connection import transaction

T = TypeVar("T")


@dataclass(frozen=True)
class Lateness:
    """How late events were: behind the newest event that earlier builds had taken in.

    Attributes:
        events: how many were earlier than that one.
        median_seconds: of these, how much earlier half of them were at least; 0 if none was late.
        most_seconds: and the latest of all.
    """

    events: int
    median_seconds: float
    most_seconds: float


@dataclass(frozen=True)
class SessionChanges:
    """What became of sessions.

    Attributes:
        created: new ones, of new events only.
        removed: old ones none of whose events is in any session now.
        joined: new ones with events of several old ones.
        split: old ones whose events are in several new ones.
        changed: old ones that live on as one session, with other numbers or another customer.
    """

    created: int
    removed: int
    joined: int
    split: int
    changed: int


@dataclass(frozen=True)
class OrderChanges:
    """What became of orders: new ones, ones with other numbers or another customer, ones gone."""

    created: int
    changed: int
    removed: int


@dataclass(frozen=True)
class BuildReport:
    """What one build did.

    Attributes:
        rebuilt_because: why everything was built anew, unasked; None if it was not.
        events: how many events it took in.
        bot_events: how many it left out, for robots sent them.
        newest_event_at: the newest event that any build has taken in.
        late: how late the new events were; of a build of everything, that none was.
        customers_touched: whose rows were made anew.
        identities_moved: ids that belong to another customer than before.
        snapshots_repaired: instants whose features were built already and have changed.
        sessions: None when everything was built anew.
        orders: None when everything was built anew.
    """

    rebuilt_because: str | None
    events: int
    bot_events: int
    newest_event_at: datetime | None
    late: Lateness
    customers_touched: int
    identities_moved: int
    snapshots_repaired: int
    sessions: SessionChanges | None
    orders: OrderChanges | None

    def line(self) -> str:
        """Say it in a line."""
        said = [_count(self.events, "new event")]
        if self.late.events:
            most, median = (
                _span(seconds) for seconds in (self.late.most_seconds, self.late.median_seconds)
            )
            said.append(f"{self.late.events:,} late (by {median} in the median, {most} at most)")
        if self.bot_events:
            said.append(f"{self.bot_events:,} of bots left out")
        said.append(_count(self.customers_touched, "customer") + " touched")
        if self.sessions is None or self.orders is None:
            why = f": {self.rebuilt_because}" if self.rebuilt_because else ""
            return ", ".join([*said, f"everything built anew{why}"])
        said += _changes("sessions", vars(self.sessions))
        said += _changes("orders", vars(self.orders))
        if self.identities_moved:
            said.append(_count(self.identities_moved, "id") + " moved")
        if self.snapshots_repaired:
            said.append(_count(self.snapshots_repaired, "snapshot") + " repaired")
        return ", ".join(said)


@dataclass(frozen=True)
class _TakenIn:
    events: int
    bot_events: int
    newest_event_at: datetime | None
    late_events: int
    median_seconds: float
    most_seconds: float
    customers_touched: int
    identities_moved: int
    snapshots_repaired: int


def report_build(
    build_id: int, last_build_id: int, *, whole: bool, rebuilt_because: str | None
) -> BuildReport:
    """Compare what dbt has built with what it found. Call it before the build counts as finished.

    Args:
        build_id: the build.
        last_build_id: the last one that finished before; 0 for none.
        whole: everything was built anew.
        rebuilt_because: why, if nobody asked for it.
    """
    numbers = {"build_id": build_id, "last_build_id": last_build_id}
    sessions = orders = None
    with transaction() as connection:
        taken_in = _one(connection, _TakenIn, _WHOLE if whole else _INCREMENT, numbers)
        if not whole:
            sessions = _one(connection, SessionChanges, _SESSIONS, numbers)
            orders = _one(connection, OrderChanges, _ORDERS, numbers)
    return BuildReport(
        rebuilt_because=rebuilt_because,
        events=taken_in.events,
        bot_events=taken_in.bot_events,
        newest_event_at=taken_in.newest_event_at,
        late=Lateness(taken_in.late_events, taken_in.median_seconds, taken_in.most_seconds),
        customers_touched=taken_in.customers_touched,
        identities_moved=taken_in.identities_moved,
        snapshots_repaired=taken_in.snapshots_repaired,
        sessions=sessions,
        orders=orders,
    )


def as_json(report: BuildReport) -> dict[str, object]:
    """Return a report as ``ops.builds.report`` keeps it."""
    kept: dict[str, object] = msgspec.to_builtins(report)
    return kept


@dataclass(frozen=True)
class PastBuild:
    """A build that finished, as ``footfall builds`` lists it.

    Attributes:
        build_id: its number.
        as_of: the snapshot that was asked for.
        built_through: the instant that sessions, orders and customers reach.
        full_refresh: whether everything was built anew.
        started_at: by the server's clock.
        seconds: from start to finish.
        report: None of a build that added snapshots only, or is older than reports.
    """

    build_id: int
    as_of: datetime
    built_through: datetime
    full_refresh: bool
    started_at: datetime
    seconds: float
    report: BuildReport | None

    def line(self) -> str:
        """Say it in a line."""
        told = self.report.line() if self.report else "snapshots only"
        at = self.started_at.isoformat(timespec="seconds")
        return (
            f"{self.build_id}  {at}  {self.seconds:.1f} s  as of {self.as_of.isoformat()}: {told}"
        )


def past_builds(limit: int) -> list[PastBuild]:
    """Return the last builds that finished, the newest first."""
    with transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            "select build_id, as_of, built_through, full_refresh, started_at,"
            " extract(epoch from finished_at - started_at)::float as seconds, report"
            " from ops.builds where finished_at is not null order by build_id desc limit %s",
            (limit,),
        ).fetchall()
    return msgspec.convert(found, list[PastBuild])


def _one(
    connection: Connection[TupleRow], kind: type[T], query: LiteralString, numbers: dict[str, int]
) -> T:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        row = cursor.execute(query, numbers).fetchone()
    assert row is not None
    return row


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _changes(things: str, counts: dict[str, int]) -> list[str]:
    told = [f"{count:,} {change}" for change, count in counts.items() if count]
    return [f"{things}: {', '.join(told)}"] if told else []


def _span(seconds: float) -> str:
    """Give a span of time as people say it.

    >>> [_span(seconds) for seconds in (0.5, 90, 5400, 7_200_000)]
    ['0.5 s', '1.5 min', '1.5 h', '83.3 d']
    """
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


_INCREMENT: LiteralString = """
with last as (
  select (report ->> 'newest_event_at')::timestamptz as newest_event_at
  from ops.builds where finished_at is not null and report is not null
  order by build_id desc limit 1
),
-- not those that only moved to another owner
new_events as (
  select occurred_at from intermediate.int_events_admitted
  where build_id > %(last_build_id)s and displaced_refs = '[]'
),
late as (
  select extract(epoch from last.newest_event_at - occurred_at) as seconds
  from new_events, last where occurred_at < last.newest_event_at
),
touched as (
  select ref from intermediate.int_touched_refs where build_id = %(build_id)s
)
select
  (select count(*) from new_events) as events,
  (select count(*) from intermediate.int_bot_events where build_id > %(last_build_id)s)
    as bot_events,
  greatest((select newest_event_at from last), (select max(occurred_at) from new_events))
    as newest_event_at,
  (select count(*) from late) as late_events,
  (select coalesce(percentile_cont(0.5) within group (order by seconds), 0) from late)::float
    as median_seconds,
  (select coalesce(max(seconds), 0) from late)::float as most_seconds,
  (select count(distinct customer_id) from intermediate.int_identity_spans
   where ref in (select ref from touched) and known_until = 'infinity') as customers_touched,
  (select count(*) from intermediate.int_rows_before as before
   join analytics.customer_identities as now on now.ref = before.row_id
   where before.kind = 'identity' and before.customer_id <> now.customer_id) as identities_moved,
  (select count(distinct scope.as_of) from intermediate.int_snapshot_scope as scope
   join ops.snapshots using (as_of) where snapshots.build_id is not null) as snapshots_repaired
"""

_WHOLE: LiteralString = """
select
  (select count(*) from intermediate.int_events_admitted) as events,
  (select count(*) from intermediate.int_bot_events) as bot_events,
  (select max(occurred_at) from intermediate.int_events_admitted) as newest_event_at,
  0 as late_events, 0::float as median_seconds, 0::float as most_seconds,
  (select count(*) from analytics.dim_customers) as customers_touched,
  0 as identities_moved,
  (select count(*) from ops.snapshots where build_id is not null) as snapshots_repaired
"""

# An event that moved to another owner since the last build tells first of all whose it was.
_SESSIONS: LiteralString = """
with touched as (
  select ref, customer_id from intermediate.int_touched_refs where build_id = %(build_id)s
),
kept as (
  select session_id, customer_id, started_at, ended_at, md5(sessions::text) as fingerprint
  from analytics.fct_sessions as sessions
  where customer_id in (select customer_id from touched)
),
before as (
  select row_id as session_id, customer_id, started_at, ended_at, fingerprint
  from intermediate.int_rows_before where kind = 'session'
),
new as materialized (
  select * from kept where (session_id, fingerprint) not in (
    select session_id, fingerprint from before)
),
old as materialized (
  select * from before where (session_id, fingerprint) not in (
    select session_id, fingerprint from kept)
),
owners as materialized (
  select row_id as ref, customer_id
  from intermediate.int_rows_before where kind = 'owner'
),
events as materialized (
  select
    ref, occurred_at,
    case when build_id > %(last_build_id)s then displaced_refs ->> 0 else ref end as former_ref
  from intermediate.int_events_admitted
  where
    ref in (select ref from touched)
    and (build_id <= %(last_build_id)s or displaced_refs <> '[]')
),
spans as materialized (
  select ref, customer_id from intermediate.int_identity_spans
  where known_until = 'infinity' and ref in (select ref from touched)
),
pairs as materialized (
  select distinct old.session_id as old_id, new.session_id as new_id
  from events
  join owners on owners.ref = events.former_ref
  join old
    on old.customer_id = owners.customer_id
    and events.occurred_at between old.started_at and old.ended_at
  join spans on spans.ref = events.ref
  join new
    on new.customer_id = spans.customer_id
    and events.occurred_at between new.started_at and new.ended_at
),
parents as (select new_id, count(*) as old_count from pairs group by new_id),
children as (select old_id, count(*) as new_count from pairs group by old_id)
select
  (select count(*) from new where session_id not in (select new_id from pairs)) as created,
  (select count(*) from old where session_id not in (select old_id from pairs)) as removed,
  (select count(*) from parents where old_count > 1) as joined,
  (select count(*) from children where new_count > 1) as split,
  (select count(*) from pairs
   join parents using (new_id) join children using (old_id)
   where old_count = 1 and new_count = 1) as changed
"""

_ORDERS: LiteralString = """
with now as (
  select order_id, md5(orders::text) as fingerprint
  from analytics.fct_orders as orders
  where customer_id in (
    select customer_id from intermediate.int_touched_refs where build_id = %(build_id)s)
),
before as (
  select row_id as order_id, fingerprint
  from intermediate.int_rows_before where kind = 'order'
)
select
  count(*) filter (where before.order_id is null) as created,
  count(*) filter (where now.fingerprint <> before.fingerprint) as changed,
  count(*) filter (where now.order_id is null) as removed
from now full join before on now.order_id = before.order_id
"""
