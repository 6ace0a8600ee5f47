"""What the gates said, and what they are asked about: pending loads, features, score sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, LiteralString

from psycopg import Connection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from footfall.errors import GateStopped

if TYPE_CHECKING:
    import pandas as pd

Gate = Literal["raw", "features", "scores"]
NOTHING = "nothing"  # the subject of a gate that found nothing to check
FAILURES_IN_A_LINE = 3
FLOAT8 = 701  # the type's oid


@dataclass(frozen=True)
class Verdict:
    """What one gate said of one subject.

    Attributes:
        gate: the door.
        subject: raw: load ids, such as ``1-7``; features: the as_of; scores: the score set.
        verdict: pass, warn or stop.
        rows_checked: how many rows the expectations saw.
        expected: how many expectations the suites hold.
        evaluated: how many of them were really evaluated.
        failures: the broken ones, in words that hold counts and no personal data.
        rows_found: how many rows there are; more than ``rows_checked`` when a sample was checked.
        load_ids: raw: the loads that the verdict is about.
        verdict_id: its number, once it is stored.
    """

    gate: Gate
    subject: str
    verdict: Literal["pass", "warn", "stop"]
    rows_checked: int
    expected: int
    evaluated: int
    failures: tuple[str, ...]
    rows_found: int
    load_ids: tuple[int, ...] = ()
    verdict_id: int | None = None

    def enforce(self) -> None:
        """Let the next stage begin, or not.

        Raises:
            GateStopped: the verdict is stop; names the first broken expectations.
        """
        if self.verdict == "stop":
            shown = "; ".join(self.failures[:FAILURES_IN_A_LINE]) or "not everything was checked"
            raise GateStopped(
                f"gate {self.gate} stopped {self.subject}: {shown}; look closer with: "
                f"footfall gate {self.gate} --json"
            )


def record_verdict(connection: Connection[TupleRow], verdict: Verdict) -> Verdict:
    """Store a verdict; return it with its number."""
    row = connection.execute(
        "insert into ops.gate_verdicts (gate, subject, verdict, rows_checked, rows_found, expected,"
        " evaluated, failures, load_ids) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " returning verdict_id",
        (
            verdict.gate,
            verdict.subject,
            verdict.verdict,
            verdict.rows_checked,
            verdict.rows_found,
            verdict.expected,
            verdict.evaluated,
            Jsonb(list(verdict.failures)),
            list(verdict.load_ids) if verdict.gate == "raw" else None,
        ),
    ).fetchone()
    assert row is not None
    return replace(verdict, verdict_id=row[0])


def latest_verdict(connection: Connection[TupleRow], gate: Gate, subject: str) -> Verdict | None:
    """Return the newest verdict of a gate on a subject; None when it never judged it."""
    row = connection.execute(
        "select gate, subject, verdict, rows_checked, expected, evaluated, failures,"
        " coalesce(rows_found, rows_checked), coalesce(load_ids, '{}'), verdict_id"
        " from ops.gate_verdicts where gate = %s and subject = %s"
        " order by verdict_id desc limit 1",
        (gate, subject),
    ).fetchone()
    if row is None:
        return None
    return Verdict(
        gate=row[0],
        subject=row[1],
        verdict=row[2],
        rows_checked=row[3],
        expected=row[4],
        evaluated=row[5],
        failures=tuple(map(str, row[6])),
        rows_found=row[7],
        load_ids=tuple(row[8]),
        verdict_id=row[9],
    )


def as_of_subject(as_of: datetime) -> str:
    """Return the subject under which the gate at the features stores its verdict on an instant."""
    return as_of.astimezone(UTC).isoformat()


def pending_loads(connection: Connection[TupleRow]) -> list[int]:
    """Return the loads of events that no finished build took in, the oldest first."""
    return [
        load_id
        for (load_id,) in connection.execute(
            "select load_id from raw.loads where kind = 'events' and not exists ("
            "  select from ops.build_loads join ops.builds using (build_id)"
            "  where build_loads.load_id = loads.load_id and finished_at is not null)"
            " order by load_id"
        )
    ]


def loads_cleared(connection: Connection[TupleRow]) -> list[int]:
    """Return the pending loads whose newest verdict is pass or warn, the oldest first."""
    verdicts = {
        load_id: verdict
        for load_id, verdict in connection.execute(
            "select distinct on (load_id) load_id, verdict"
            " from ops.gate_verdicts, unnest(load_ids) as load_id"
            " where gate = 'raw' order by load_id, verdict_id desc"
        )
    }
    cleared = {load_id for load_id, verdict in verdicts.items() if verdict != "stop"}
    return [load_id for load_id in pending_loads(connection) if load_id in cleared]


# What the gates look at --------------------------------------------------------------------------

LEDGER: LiteralString = """
with counted as (
    select load_id, count(*) as row_count, count(allows_profiling) as consent_statements
    from raw.events where load_id = any(%(load_ids)s) group by load_id
),
open_rejects as (
    select load_id, count(*) as reject_count
    from raw.rejected_events
    where load_id = any(%(load_ids)s) and replayed_at is null and reason <> 'erased'
    group by load_id
),
erased as (
    select key::bigint as load_id, sum(value::bigint) as row_count
    from privacy.erasures, jsonb_each_text(rows_erased -> 'loads')
    group by key
)
select
    loads.load_id, records_read, stored, duplicates, rejected,
    coalesce(reject_count, 0) as open_rejects,
    coalesce(erased.row_count, 0)::bigint as erased_rows,
    (stored - coalesce(counted.row_count, 0) - coalesce(erased.row_count, 0))::bigint
        as missing_rows,
    coalesce(consent_statements, 0) as consent_statements
from raw.loads
left join counted using (load_id)
left join open_rejects using (load_id)
left join erased using (load_id)
where loads.load_id = any(%(load_ids)s)
order by loads.load_id
"""

# An order's value and products are read where the native dialect puts them, of other dialects in
# the mapped event. A sample is drawn by the hash of the message id: the same events every time.
EVENT_ROWS: LiteralString = """
select
    message_id, event_name, customer_ref,
    extract(epoch from occurred_at - received_at)::double precision as seconds_ahead,
    case
        when
            event_name = 'purchase'
            and native #>> '{properties,revenue}' ~ '^[+-]?[0-9]{1,12}([.][0-9]{1,30})?$'
            then (native #>> '{properties,revenue}')::double precision
    end as order_value,
    case
        when event_name = 'purchase' and jsonb_typeof(native #> '{properties,products}') = 'array'
            then jsonb_array_length(native #> '{properties,products}')::double precision
    end as product_count
from raw.events
cross join lateral (select coalesce(mapped, payload) as native) as body
where
    load_id = any(%(load_ids)s)
    and (hashtextextended(message_id, 0) & 1048575) < %(share)s * 1048576
order by message_id
"""

SCORE_ROWS: LiteralString = """
select
    scores.model_id, scores.customer_id, probability, amount,
    num_nonnulls(probability, amount) as predictions, percentile,
    abs(base_value + (select sum(value) from unnest(shap_values) as value) - margin)
        as additivity_error,
    abs(jsonb_array_length(models.features) - cardinality(shap_values)) as contributions_missing,
    jsonb_array_length(reasons) as reason_count,
    features_sha256,
    extract(epoch from expires_at - scored_at)::double precision as lifetime_seconds,
    abs(extract(epoch from scores.as_of - score_sets.as_of))::double precision / 86400
        as days_from_set
from ml.scores
join ml.score_sets using (score_set)
join ml.models using (model_id)
where score_set = %(score_set)s
order by scores.model_id, scores.customer_id
"""

SCORE_MODELS: LiteralString = """
with scored as (
    select
        model_id, count(*) as score_rows, avg(probability) as mean_probability,
        avg(amount) as mean_amount, avg(percentile) as mean_percentile,
        count(distinct coalesce(probability, amount)) filter (where fallback is null)
            as distinct_predictions,
        count(fallback) as fallback_rows
    from ml.scores where score_set = %(score_set)s group by model_id
)
select
    model_id, name, score_rows, mean_probability, mean_amount, mean_percentile,
    distinct_predictions, fallback_rows,
    coalesce((
        select verdict from ml.drift_verdicts as drift
        where drift.score_set = %(score_set)s and drift.model_id = scored.model_id
    ), 'not measured') as drift,
    ((select records from ml.score_sets where score_set = %(score_set)s)
        - sum(score_rows) over ())::double precision as missing_records,
    (select count(*) from ml.models as champions
     where champions.state = 'champion'
     and champions.name not in (select name from scored join ml.models using (model_id)))
        as unscored_champions
from scored join ml.models using (model_id)
order by model_id
"""


def ledger_frame(connection: Connection[TupleRow], load_ids: Sequence[int]) -> "pd.DataFrame":
    """Read one row per load: what it counted, and what is there."""
    return _frame(connection, LEDGER, load_ids=list(load_ids))


def event_rows_frame(
    connection: Connection[TupleRow], load_ids: Sequence[int], *, share: float
) -> "pd.DataFrame":
    """Read the loads' events in a few narrow columns.

    Args:
        connection: to the warehouse.
        load_ids: the loads.
        share: above 0 and up to 1: how much to read, drawn by the hash of the message id.
    """
    return _frame(connection, EVENT_ROWS, load_ids=list(load_ids), share=share)


def features_frame(connection: Connection[TupleRow], as_of: datetime) -> "pd.DataFrame":
    """Read the features of one instant, with the columns that the table has."""
    return _frame(
        connection,
        "select * from analytics.customer_features where as_of = %(as_of)s order by customer_id",
        as_of=as_of,
    )


def newest_features_as_of(connection: Connection[TupleRow]) -> datetime | None:
    """Return the newest instant that features are kept for; None when there are none."""
    if not table_exists(connection, "analytics", "customer_features"):
        return None
    row = connection.execute("select max(as_of) from analytics.customer_features").fetchone()
    return row[0] if row else None


def newest_score_set(connection: Connection[TupleRow]) -> int | None:
    """Return the newest complete score set, by as_of and then by number; None: there is none."""
    row = connection.execute(
        "select score_set from ml.score_sets where completed_at is not null"
        " order by as_of desc, score_set desc limit 1"
    ).fetchone()
    return row[0] if row else None


def is_complete(connection: Connection[TupleRow], score_set: int) -> bool:
    """Tell whether the score set exists and was written to its end."""
    row = connection.execute(
        "select completed_at is not null from ml.score_sets where score_set = %s", (score_set,)
    ).fetchone()
    return bool(row and row[0])


def score_rows_frame(connection: Connection[TupleRow], score_set: int) -> "pd.DataFrame":
    """Read one row per score of the set."""
    return _frame(connection, SCORE_ROWS, score_set=score_set)


def score_models_frame(connection: Connection[TupleRow], score_set: int) -> "pd.DataFrame":
    """Read one row per model of the set."""
    return _frame(connection, SCORE_MODELS, score_set=score_set)


def table_exists(connection: Connection[TupleRow], schema: str, table: str) -> bool:
    """Tell whether a build has made the table yet."""
    row = connection.execute(
        "select to_regclass(format('%%I.%%I', %s::text, %s::text)) is not null", (schema, table)
    ).fetchone()
    return bool(row and row[0])


def _frame(
    connection: Connection[TupleRow], query: LiteralString, **arguments: Any
) -> "pd.DataFrame":
    import pandas as pd

    cursor = connection.execute(sql.SQL(query), arguments)
    columns = cursor.description or []
    frame = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in columns])
    floats = [column.name for column in columns if column.type_code == FLOAT8]
    # a column of nulls only, too; copied into one block, for columns that are added
    return frame.astype(dict.fromkeys(floats, "float64")).copy()
