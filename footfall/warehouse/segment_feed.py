"""What Kafka was told of segments, and what it is still to be told.

What is to be told is written down before it is sent, in the transaction that counts it as told. So
a message keeps its number, and its id, however often it is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from footfall.errors import NotReady

FEEDING = "hashtextextended('footfall.segment_feed', 0)"

# When somebody entered: of a rule the instant itself; of RFM and clusters when that was found, the
# newest snapshot or set. Where no stay tells when somebody left, it is what is built through.
_PLAN = """
with members as materialized (
    select customer_id, kind, segment, rule_version from analytics.customer_segments
),
gone as (
    delete from ops.segment_feed as told
    where not exists (
        select from members
        where (members.customer_id, members.kind, members.segment)
            = (told.customer_id, told.kind, told.segment)
    )
    returning customer_id, kind, segment, rule_version, at
),
came as (
    insert into ops.segment_feed (customer_id, kind, segment, rule_version, at)
    select
        customer_id, kind, segment, rule_version,
        coalesce(
            case kind
                when 'rule' then (
                    select max(entered_at) from intermediate.int_segment_stays as stays
                    where (stays.customer_id, stays.segment, stays.rule_version)
                        = (members.customer_id, members.segment, members.rule_version)
                        and stays.entered_at < %(built_through)s
                )
                when 'rfm' then (
                    select max(as_of) from ops.snapshots
                    where build_id is not null and as_of <= %(built_through)s
                )
                else (
                    select max(as_of) from ml.cluster_sets
                    where method = split_part(segment, '_', 1)
                )
            end,
            %(built_through)s
        )
    from members
    where not exists (
        select from ops.segment_feed as told
        where (members.customer_id, members.kind, members.segment)
            = (told.customer_id, told.kind, told.segment)
    )
    returning customer_id, kind, segment, rule_version, at
),
moved as (
    select 'entered' as type, came.* from came
    union all
    select
        'left', customer_id, kind, segment, rule_version,
        coalesce(
            (
                select min(left_at) from intermediate.int_segment_stays as stays
                where gone.kind = 'rule'
                    and (stays.customer_id, stays.segment, stays.rule_version)
                    = (gone.customer_id, gone.segment, gone.rule_version)
                    and stays.left_at > gone.at and stays.left_at < %(built_through)s
            ),
            %(built_through)s
        )
    from gone
)
insert into ops.segment_outbox (type, customer_id, kind, segment, rule_version, at, build_id)
select type, customer_id, kind, segment, rule_version, at, %(build_id)s
from moved
order by customer_id, type desc, kind, segment
"""

# Who stays in a segment while its rule's version changes has neither entered nor left.
_REVISE = """
update ops.segment_feed as told
set rule_version = members.rule_version
from analytics.customer_segments as members
where
    (members.customer_id, members.kind, members.segment)
    = (told.customer_id, told.kind, told.segment)
    and told.rule_version <> members.rule_version
"""


@dataclass(frozen=True)
class Change:
    """One message: somebody entered or left a segment."""

    number: int
    type: str
    customer_id: str
    kind: str
    segment: str
    rule_version: int
    at: datetime
    build_id: int


def plan(connection: Connection[TupleRow]) -> None:
    """Write down what is to be told, so that what was told is what is now.

    Raises:
        NotReady: nothing is built yet.
    """
    row = connection.execute(
        "select build_id, built_through from ops.builds where finished_at is not null"
        " and to_regclass('analytics.customer_segments') is not null"
        " order by build_id desc limit 1"
    ).fetchone()
    if row is None:
        raise NotReady("no segments are built yet; run: footfall build")
    connection.execute(_PLAN, {"build_id": row[0], "built_through": row[1]})
    connection.execute(_REVISE)


def pending(connection: Connection[TupleRow], limit: int) -> list[Change]:
    """Return messages that Kafka has not acknowledged, the oldest first."""
    with connection.cursor(row_factory=class_row(Change)) as cursor:
        return cursor.execute(
            "select number, type, customer_id, kind, segment, rule_version, at, build_id"
            " from ops.segment_outbox order by number limit %s",
            (limit,),
        ).fetchall()


def pending_count(connection: Connection[TupleRow]) -> int:
    """Return how many messages wait."""
    row = connection.execute("select count(*) from ops.segment_outbox").fetchone()
    assert row is not None
    return int(row[0])


def acknowledged(connection: Connection[TupleRow], changes: Sequence[Change]) -> None:
    """Note that Kafka has these messages."""
    connection.execute(
        "delete from ops.segment_outbox where number = any(%s)",
        ([change.number for change in changes],),
    )
