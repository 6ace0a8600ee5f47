"""Build the warehouse: choose what a run of dbt takes in, run it, and note that it finished.

Builds exclude each other: one waits for the other's lock. A build whose lock was lost is fenced out
by the start of the next: its transactions refuse to begin (``refuse_if_overtaken`` in dbt_project).
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from footfall.errors import Fenced
from footfall.warehouse import segments
from footfall.warehouse.as_of import newest_as_of
from footfall.warehouse.build_plan import (
    BUILDING,
    Plan,
    loads_to_take_in,
    missing_snapshots,
    plan_build,
    plan_snapshots,
    shut_out_older,
)
from footfall.warehouse.build_report import BuildReport, as_json, report_build
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.dbt import DbtRun, read_project, run_dbt
from footfall.warehouse.rules import Rules, rules_of
from footfall.warehouse.segment_rules import read_rules

log = logging.getLogger(__name__)

BUILT = ("intermediate", "analytics")
LOCK_MS = 100  # less than deadlock_timeout, at which Postgres cancels a vacuum that is in the way


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
            _summarize(connection)
            loads = loads_to_take_in(connection)
            segments.register(connection, segment_rules)
            instant = as_of or newest_as_of(connection)
            plan = plan_build(connection, instant, loads, rules, full_refresh, keep_built)
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
        if plan.full_refresh:
            _analyze()
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
            if not missing_snapshots(connection, as_ofs):
                return 0
        project = read_project()
        rules = rules_of(project)
        with transaction() as connection:
            missing = missing_snapshots(connection, as_ofs)
            plan = plan_snapshots(connection, missing, rules)
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


def _finish(
    build_id: int, built_through: datetime, rules: Rules, report: BuildReport | None = None
) -> None:
    """Note that a build finished; its loads are no longer pending, its snapshots are built.

    ``report``: None of a build of snapshots, which leaves ops.reopened_refs, and new versions of
    segments' rules, to the next.
    """
    with transaction() as connection:
        shut_out_older(connection)
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
            connection.execute("truncate intermediate.int_events_taken_in")
            segments.evaluated(connection, build_id)
        connection.execute("delete from ops.snapshots where as_of > %s", (built_through,))
        connection.execute(
            "update ops.snapshots set build_id = %s where build_id is null", (build_id,)
        )


def _summarize(connection: Connection[TupleRow]) -> None:
    """Have the indexes of raw.events know the newest rows: what they do not know is all read.

    Only vacuum would do it, once a fifth of the table is new. Where vacuum is at it, it is let be:
    Postgres would cancel it for whoever waits longer, and a range that it was about to sum up then
    stays marked, for which every later build reads the table from there on.
    """
    indexes = connection.execute(
        "select indexrelid::regclass::text from pg_index"
        " join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam"
        " where amname = 'brin' and relkind = 'i' and relnamespace = 'raw'::regnamespace"
    ).fetchall()
    for (index,) in indexes:
        with suppress(LockNotAvailable), connection.transaction():
            connection.execute(f"set local lock_timeout = {LOCK_MS}")
            connection.execute("select brin_summarize_new_values(%s::regclass)", (index,))
            connection.execute("set local lock_timeout = default")


def _analyze() -> None:
    """Let the planner know all tables anew; autovacuum comes later than the next build.

    A table of raw.events that is being vacuumed is left to vacuum, as in ``_summarize``.
    """
    with connect(autocommit=True) as connection:
        for schemas, options in ((["raw"], "(skip_locked)"), (["ops", *BUILT], "")):
            tables = connection.execute(
                "select schemaname, tablename from pg_tables"
                " where schemaname = any(%s) and tableowner = current_user"
                " order by schemaname, tablename",
                (schemas,),
            ).fetchall()
            names = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
            connection.execute(sql.SQL("analyze {} {}").format(sql.SQL(options), names))


def _built(plan: Plan, done: DbtRun, report: BuildReport, seconds: float) -> Build:
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
