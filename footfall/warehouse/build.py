"""Build the warehouse: choose what a run of dbt takes in, run it, and note that it finished.

Builds exclude each other: one waits for the other's lock. A build whose lock was lost is fenced out
by the start of the next: its transactions refuse to begin (``refuse_if_overtaken`` in dbt_project).
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from footfall.errors import Fenced, GateStopped, NotReady
from footfall.warehouse import segments
from footfall.warehouse.as_of import newest_as_of
from footfall.warehouse.build_report import BuildReport, as_json, report_build
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.dbt import DbtRun, read_project, run_dbt
from footfall.warehouse.rules import Rules, difference, rules_of, settings_of_models
from footfall.warehouse.segment_rules import read_rules
from footfall.warehouse.verdicts import loads_cleared, pending_loads

log = logging.getLogger(__name__)

# The lock of the whole build, and the lock of its transactions.
BUILDING = "hashtextextended('footfall.building', 0)"
FENCE = "hashtextextended('footfall.build', 0)"


@dataclass(frozen=True)
class Build:
    """One finished build.

    Attributes:
        build_id: its number.
        as_of: the snapshot that was asked for.
        built_through: sessions, orders and customers know the events before this instant.
        loads: how many new loads it took in.
        models: how many models dbt built.
        tests: how many data tests passed.
        seconds: elapsed.
        full_refresh: whether everything was built anew from raw.events.
        report: what it took in and changed.
    """

    build_id: int
    as_of: datetime
    built_through: datetime
    loads: int
    models: int
    tests: int
    seconds: float
    full_refresh: bool
    report: BuildReport


@dataclass(frozen=True)
class _State:
    """What builds have left behind.

    Attributes:
        last_build_id: the last one that finished; 0 for none.
        built_through: the instant that it reached; None for none.
        tried_through: the latest instant that unfinished ones since then tried to reach.
        tried_full_refresh: one of these began to build everything anew: tables are of two minds.
        is_anybody_erased: a customer was erased since the last one that finished began.
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
        return self.tried_through is None and not self.tried_full_refresh


@dataclass(frozen=True)
class _Plan:
    build_id: int
    as_of: datetime
    built_through: datetime
    loads: int
    full_refresh: bool
    before: _State
    is_snapshot_new: bool
    new_events: int
    rebuilt_because: str | None = None
    segment_rules: Sequence[segments.Version] = ()

    @property
    def variables(self) -> dict[str, object]:
        before = self.before.built_through
        return {
            "build_id": self.build_id,
            "built_through": self.built_through.isoformat(),
            "last_build_id": self.before.last_build_id,
            "previously_built_through": before.isoformat() if before else "-infinity",
            "is_anybody_erased": self.before.is_anybody_erased,
            "is_snapshot_new": self.is_snapshot_new,
            "new_events": self.new_events,
            **settings_of_models(),
            "segment_rules": [version.as_variable() for version in self.segment_rules],
        }


def build(
    as_of: datetime | None = None, *, full_refresh: bool = False, keep_built: bool = False
) -> Build:
    """Take in the loads that the gate cleared; build every table up to the features of ``as_of``.

    An ``as_of`` earlier than what is built adds its snapshot and leaves sessions and orders as they
    are. Where the rules are no longer those of the last build, everything is built anew.

    Args:
        as_of: the snapshot to build; None for the first UTC midnight after the newest stored event.
        full_refresh: build everything anew, as of this instant: later snapshots are dropped.
        keep_built: build an increment by the new rules, whatever the old ones were.

    Raises:
        NotReady: nothing is stored, or the gate has not judged what is.
        GateStopped: the gate stopped a load that waits.
        BadArgument: a file of dbt_project/segments is no rule.
        BuildFailed: a model or a test failed; the next build repeats this one's work.
        Fenced: a newer build took over.
    """
    started = time.monotonic()
    segment_rules = read_rules()
    with _alone():
        project = read_project()
        rules = rules_of(project)
        with transaction() as connection:
            loads = _loads_to_take_in(connection)
            segments.register(connection, segment_rules)
            instant = as_of or newest_as_of(connection)
            plan = _plan(connection, instant, loads, rules, full_refresh, keep_built)
        if plan.rebuilt_because:
            log.warning("everything is built anew: %s", plan.rebuilt_because)
        done = run_dbt(
            ["build", *_EVERYTHING, *(["--full-refresh"] if plan.full_refresh else [])],
            plan.variables,
            project=project,
        )
        report = report_build(
            plan.build_id,
            plan.before.last_build_id,
            whole=plan.full_refresh,
            rebuilt_because=plan.rebuilt_because,
        )
        _finish(plan.build_id, plan.built_through, rules, report)
    return _built(plan, done, report, time.monotonic() - started)


def build_snapshots(as_ofs: Sequence[datetime]) -> int:
    """Build the snapshots of these instants that are not built yet; return how many that were.

    Takes in no load. An instant later than what is built would miss what is still to be taken in.

    Raises:
        NotReady: nothing is built, the last build did not finish or was made by other rules, or an
            instant is too late.
        BuildFailed: a model or a test failed.
    """
    with _alone():
        with transaction() as connection:
            if not _missing_snapshots(connection, as_ofs):
                return 0
        project = read_project()
        rules = rules_of(project)
        with transaction() as connection:
            missing = _missing_snapshots(connection, as_ofs)
            plan = _plan_snapshots(connection, missing, rules)
        run_dbt(["build", *_SNAPSHOTS], plan.variables, project=project)
        _finish(plan.build_id, plan.built_through, rules)
    return len(missing)


_EVERYTHING = ("--exclude-resource-type", "unit_test", "--exclude", "tag:monitor")
_SNAPSHOTS = ("--select", "tag:snapshot", *_EVERYTHING)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of building; wait while somebody else holds it."""
    with connect(autocommit=True) as connection:
        connection.execute(f"select pg_advisory_lock({BUILDING})")
        yield


def _loads_to_take_in(connection: Connection[TupleRow]) -> list[int]:
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


def _plan(
    connection: Connection[TupleRow],
    as_of: datetime,
    loads: Sequence[int],
    rules: Rules,
    full_refresh: bool,
    keep_built: bool,
) -> _Plan:
    """Note a new build, its loads and its snapshot. It completes what an unfinished one began."""
    _shut_out_older(connection)
    before = _state(connection)
    reached = [at for at in (before.built_through, before.tried_through) if at]
    built_through = as_of if full_refresh else max([as_of, *reached])
    reason = None if full_refresh else _why_anew(before, rules, keep_built=keep_built)
    whole = full_refresh or before.built_through is None or reason is not None
    if whole:
        _refuse_to_lose_history(connection, reason)
    _register(connection, [as_of])
    plan = replace(
        _start(connection, as_of, built_through, loads, whole, before), rebuilt_because=reason
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


def _why_anew(before: _State, rules: Rules, *, keep_built: bool) -> str | None:
    """Say why everything has to be built anew, unasked; None if it has not."""
    if before.tried_full_refresh:
        return "a build of everything did not finish"
    if before.built_through is None or keep_built:
        return None
    return difference(before.rules, rules)


def _plan_snapshots(
    connection: Connection[TupleRow], as_ofs: Sequence[datetime], rules: Rules
) -> _Plan:
    _shut_out_older(connection)
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


def _state(connection: Connection[TupleRow]) -> _State:
    row = connection.execute(
        "with last as ("
        "  select build_id, built_through, started_at, rules from ops.builds"
        "  where finished_at is not null order by build_id desc limit 1)"
        " select coalesce((select build_id from last), 0), (select built_through from last),"
        " max(built_through) filter (where not full_refresh),"
        " coalesce(bool_or(full_refresh), false),"
        " exists (select from privacy.erasures, last where erased_at >= started_at),"
        " (select rules from last)"
        " from ops.builds where build_id > coalesce((select build_id from last), 0)"
    ).fetchone()
    assert row is not None
    return _State(*row)


def _shut_out_older(connection: Connection[TupleRow]) -> None:
    """Wait until no transaction of an older build runs; after this commits, none can begin."""
    connection.execute(f"select pg_advisory_xact_lock({FENCE})")


def _start(
    connection: Connection[TupleRow],
    as_of: datetime,
    built_through: datetime,
    loads: Sequence[int],
    full_refresh: bool,
    before: _State,
) -> _Plan:
    row = connection.execute(
        "insert into ops.builds (as_of, built_through, full_refresh) values (%s, %s, %s)"
        " returning build_id, exists (select from ops.snapshots where snapshots.build_id is null),"
        " (select coalesce(sum(stored), 0)::bigint from raw.loads where load_id = any(%s))",
        (as_of, built_through, full_refresh, list(loads)),
    ).fetchone()
    assert row is not None
    build_id, is_snapshot_new, new_events = row
    return _Plan(
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


def _missing_snapshots(
    connection: Connection[TupleRow], as_ofs: Sequence[datetime]
) -> list[datetime]:
    built = {
        as_of
        for (as_of,) in connection.execute(
            "select as_of from ops.snapshots where build_id is not null"
        )
    }
    return sorted(set(as_ofs) - built)


def _finish(
    build_id: int, built_through: datetime, rules: Rules, report: BuildReport | None = None
) -> None:
    """Note that a build finished; its loads are no longer pending, its snapshots are built.

    ``report``: None of a build of snapshots, which leaves ops.reopened_refs, and new versions of
    segments' rules, to the next.
    """
    with transaction() as connection:
        _shut_out_older(connection)
        finished = connection.execute(
            "update ops.builds set finished_at = clock_timestamp(),"
            " rules = %(rules)s, report = %(report)s where build_id = %(build_id)s"
            " and not exists (select from ops.builds where build_id > %(build_id)s)",
            {
                "build_id": build_id,
                "rules": Jsonb(dict(rules)),
                "report": Jsonb(as_json(report)) if report else None,
            },
        ).rowcount
        if not finished:
            raise Fenced(f"build {build_id} was overtaken by a newer one; it stays unfinished")
        if report:
            connection.execute("delete from ops.reopened_refs")
            segments.evaluated(connection, build_id)
        connection.execute("delete from ops.snapshots where as_of > %s", (built_through,))
        connection.execute(
            "update ops.snapshots set build_id = %s where build_id is null", (build_id,)
        )


def _built(plan: _Plan, done: DbtRun, report: BuildReport, seconds: float) -> Build:
    return Build(
        build_id=plan.build_id,
        as_of=plan.as_of,
        built_through=plan.built_through,
        loads=plan.loads,
        models=done.models,
        tests=done.tests,
        seconds=seconds,
        full_refresh=plan.full_refresh,
        report=report,
    )
