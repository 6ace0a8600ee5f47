"""Choose what a run of dbt takes in: which loads, how far, an increment or everything anew.

A plan is noted in ``ops.builds`` before dbt runs, and completes what an unfinished one began.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import GateStopped, NotReady
from footfall.warehouse import segments
from footfall.warehouse.rules import Rules, difference, settings_of_models
from footfall.warehouse.verdicts import loads_cleared, pending_loads

# The lock of the whole build, and the lock of its transactions.
BUILDING = "hashtextextended('footfall.building', 0)"
FENCE = "hashtextextended('footfall.build', 0)"


@dataclass(frozen=True)
class State:
    """What builds have left behind.

    Attributes:
        last_build_id: the last one that finished; 0 for none.
        built_through: the instant that it reached; None for none.
        tried_through: the latest instant that unfinished ones since then tried to reach.
        tried_full_refresh: one of these began to build everything anew: tables are of two minds.
        is_anybody_erased: a customer was erased since the last one that took in loads began.
        rules: what the last one that finished was made by; None if it did not note that.
    """

    last_build_id: int
    built_through: datetime | None
    tried_through: datetime | None
    tried_full_refresh: bool
    is_anybody_erased: bool
    rules: Rules | None

    @property
    def is_settled(self) -> bool:
        """Whether the last build finished."""
        return self.tried_through is None and not self.tried_full_refresh


@dataclass(frozen=True)
class Plan:
    """What one run of dbt is to do.

    Attributes:
        build_id: its number.
        as_of: the snapshot that was asked for.
        built_through: sessions, orders and customers will know the events before this instant.
        loads: how many new loads it takes in.
        full_refresh: everything is built anew from raw.events.
        before: what earlier builds left.
        is_snapshot_new: a snapshot is registered that no build has finished.
        new_events: how many events the new loads stored.
        keep_built: what is built is kept, though it may follow other rules.
        rebuilt_because: why everything is built anew, unasked.
        segment_rules: the versions to evaluate.
    """

    build_id: int
    as_of: datetime
    built_through: datetime
    loads: int
    full_refresh: bool
    before: State
    is_snapshot_new: bool
    new_events: int
    keep_built: bool = False
    rebuilt_because: str | None = None
    segment_rules: Sequence[segments.Version] = ()

    @property
    def variables(self) -> dict[str, object]:
        """What the models know of it, as ``dbt --vars``."""
        before = self.before.built_through
        return {
            "build_id": self.build_id,
            "built_through": self.built_through.isoformat(),
            "last_build_id": self.before.last_build_id,
            "previously_built_through": before.isoformat() if before else "-infinity",
            "is_anybody_erased": self.before.is_anybody_erased,
            "is_snapshot_new": self.is_snapshot_new,
            "new_events": self.new_events,
            "keep_built": self.keep_built,
            **settings_of_models(),
            "segment_rules": [version.as_variable() for version in self.segment_rules],
        }


def loads_to_take_in(connection: Connection[TupleRow]) -> list[int]:
    """Return the loads that the gate cleared; what came in since it looked waits."""
    cleared = loads_cleared(connection)
    waiting = sorted(set(pending_loads(connection)) - set(cleared))
    if not waiting:
        return cleared
    row = connection.execute(
        "select array_agg(distinct load_id order by load_id)"
        " from ops.gate_verdicts, unnest(load_ids) as load_id"
        " where gate = 'raw' and verdict = 'stop' and load_id = any(%s)",
        (waiting,),
    ).fetchone()
    if row is not None and row[0]:
        raise GateStopped(
            f"gate raw stopped load {row[0][0]}; nothing is built on it; look closer with: "
            "footfall gate raw --json"
        )
    if not cleared and not _state(connection).last_build_id:
        raise NotReady(f"no gate has judged load {waiting[0]} yet; run: footfall gate raw")
    return cleared


def plan_build(
    connection: Connection[TupleRow],
    as_of: datetime,
    loads: Sequence[int],
    rules: Rules,
    full_refresh: bool,
    keep_built: bool,
) -> Plan:
    """Note a new build, its loads and its snapshot. It completes what an unfinished one began."""
    shut_out_older(connection)
    before = _state(connection)
    reached = [at for at in (before.built_through, before.tried_through) if at]
    built_through = as_of if full_refresh else max([as_of, *reached])
    reason = None if full_refresh else _why_anew(before, rules, keep_built=keep_built)
    whole = full_refresh or before.built_through is None or reason is not None
    if whole:
        _refuse_to_lose_history(connection, reason)
    _register(connection, [as_of])
    plan = replace(
        _start(connection, as_of, built_through, loads, whole, before),
        keep_built=keep_built,
        rebuilt_because=reason,
    )
    connection.cursor().executemany(
        "insert into ops.build_loads (build_id, load_id) values (%s, %s)",
        [(plan.build_id, load_id) for load_id in loads],
    )
    return plan


def _refuse_to_lose_history(connection: Connection[TupleRow], reason: str | None) -> None:
    row = connection.execute(
        "select max(dropped_before) from ops.retentions where partitions <> '{}'"
    ).fetchone()
    if row is not None and row[0] is not None:
        remedy = (
            f"the rules changed ({reason}): change them back, or leave what is built as it is and "
            "go on by the new ones with: footfall build --keep-built"
            if reason
            else "build without --full-refresh"
        )
        raise NotReady(
            f"raw.events holds nothing from before {row[0].isoformat()} any more (ops.retentions), "
            f"and building everything anew would lose what was built from it; {remedy}"
        )


def _why_anew(before: State, rules: Rules, *, keep_built: bool) -> str | None:
    """Say why everything has to be built anew, unasked; None if it has not."""
    if before.tried_full_refresh:
        return "a build of everything did not finish"
    if before.built_through is None or keep_built:
        return None
    return difference(before.rules, rules)


def plan_snapshots(
    connection: Connection[TupleRow], as_ofs: Sequence[datetime], rules: Rules
) -> Plan:
    """Note a build of these snapshots alone, which takes in no load."""
    shut_out_older(connection)
    before = _state(connection)
    newest, through = max(as_ofs), before.built_through
    if through is None:
        raise NotReady("no build has finished yet; run: footfall build")
    if not before.is_settled:
        raise NotReady("the last build did not finish; run: footfall build")
    if reason := difference(before.rules, rules):
        raise NotReady(f"what is built follows other rules ({reason}); run: footfall build")
    if newest > through:
        raise NotReady(
            f"the warehouse is built through {through.isoformat()}, not yet {newest.isoformat()};"
            f" run: footfall build --as-of {newest.isoformat()}"
        )
    _register(connection, as_ofs)
    return _start(connection, newest, through, [], False, before)


def _state(connection: Connection[TupleRow]) -> State:
    row = connection.execute(
        "with last as ("
        "  select build_id, built_through, started_at, rules from ops.builds"
        "  where finished_at is not null order by build_id desc limit 1),"
        " last_whole as ("
        "  select started_at from ops.builds"
        "  where finished_at is not null and report is not null order by build_id desc limit 1)"
        " select coalesce((select build_id from last), 0), (select built_through from last),"
        " max(built_through) filter (where not full_refresh),"
        " coalesce(bool_or(full_refresh), false),"
        " exists (select from privacy.erasures, last_whole where erased_at >= started_at),"
        " (select rules from last)"
        " from ops.builds where build_id > coalesce((select build_id from last), 0)"
    ).fetchone()
    assert row is not None
    return State(*row)


def shut_out_older(connection: Connection[TupleRow]) -> None:
    """Wait until no transaction of an older build runs; after this commits, none can begin."""
    connection.execute(f"select pg_advisory_xact_lock({FENCE})")


def _start(
    connection: Connection[TupleRow],
    as_of: datetime,
    built_through: datetime,
    loads: Sequence[int],
    full_refresh: bool,
    before: State,
) -> Plan:
    row = connection.execute(
        "insert into ops.builds (as_of, built_through, full_refresh) values (%s, %s, %s)"
        " returning build_id, exists (select from ops.snapshots where snapshots.build_id is null),"
        " (select coalesce(sum(stored), 0)::bigint from raw.loads where load_id = any(%s))",
        (as_of, built_through, full_refresh, list(loads)),
    ).fetchone()
    assert row is not None
    build_id, is_snapshot_new, new_events = row
    return Plan(
        build_id=build_id,
        as_of=as_of,
        built_through=built_through,
        loads=len(loads),
        full_refresh=full_refresh,
        before=before,
        is_snapshot_new=is_snapshot_new,
        new_events=new_events,
        segment_rules=segments.versions(connection),
    )


def _register(connection: Connection[TupleRow], as_ofs: Sequence[datetime]) -> None:
    connection.cursor().executemany(
        "insert into ops.snapshots (as_of) values (%s) on conflict do nothing",
        [(as_of,) for as_of in as_ofs],
    )


def missing_snapshots(
    connection: Connection[TupleRow], as_ofs: Sequence[datetime]
) -> list[datetime]:
    """Return those of the instants whose snapshot no build has finished, sorted."""
    built = {
        as_of
        for (as_of,) in connection.execute(
            "select as_of from ops.snapshots where build_id is not null"
        )
    }
    return sorted(set(as_ofs) - built)
