"""A small shop: Segment events, stored as by the loader and cleared as by the gate."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from footfall.events.decode import decode
from footfall.events.event import Event, Reject
from footfall.warehouse import erasures
from footfall.warehouse.built_rows import delete_built
from footfall.warehouse.connection import transaction
from footfall.warehouse.links import linked
from footfall.warehouse.verdicts import Verdict, record_verdict

FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
COLUMNS = (
    *("message_id", "event_name", "customer_ref", "anonymous_id", "user_id", "occurred_at"),
    *("received_at", "dialect", "mapping_version", "allows_profiling"),
)


def at(**elapsed: float) -> datetime:
    """Return an instant so long after NOON: ``at(days=1)``."""
    return NOON + timedelta(**elapsed)


def midnight(month: int, day: int) -> datetime:
    return datetime(2024, month, day, tzinfo=UTC)


def event(
    name: str = "Product Viewed",
    *,
    message: str,
    when: datetime = NOON,
    user: str | None = None,
    anonymous: str | None = None,
    previous: str | None = None,
    consent: bool | None = True,
    traits: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    **properties: Any,
) -> dict[str, Any]:
    """Return a Segment event; a name in lower case is a kind of call, such as ``alias``."""
    envelope = {
        "type": name if name.islower() else "track",
        "event": name,
        "messageId": message,
        "userId": user,
        "anonymousId": anonymous,
        "previousId": previous,
        "timestamp": when.isoformat(),
        "traits": traits,
        "properties": properties,
        "context": context,
    }
    if consent is not None:
        categories = {"Analytics": consent, "Personalization": consent}
        envelope["context"] = {**(context or {}), "consent": {"categoryPreferences": categories}}
    return {name: value for name, value in envelope.items() if value is not None}


def order(
    message: str, order_id: str, *products: Mapping[str, Any], **details: Any
) -> dict[str, Any]:
    """Return an order of these products; of one product for 10 when none is given."""
    lines = list(products) or [{"product_id": "p1", "quantity": 1, "price": 10}]
    return event("Order Completed", message=message, order_id=order_id, products=lines, **details)


def refund(
    message: str, order_id: str, amount: float | None = None, **details: Any
) -> dict[str, Any]:
    """Return a refund of an order, of all of it when no amount is given."""
    return event("Order Refunded", message=message, order_id=order_id, total=amount, **details)


HOLD = """
select raw.hold_partitions(array_agg(distinct date_trunc('month', at)::date))
from unnest(%s::timestamptz[]) as at
"""


def store(events: Iterable[Mapping[str, Any]], *, verdict: str | None = "pass") -> int:
    """Store one load, with what the gate says of it; return its id. Of the erased, nothing."""
    gone = {digest for (digest,) in rows("select ref_sha256 from privacy.erasures")}
    decoded = [
        one
        for sent in events
        for one in _decoded(sent)
        if erasures.sha256(one.customer_ref) not in gone
    ]
    with transaction() as connection:
        load_id = _load(connection, decoded)
        connection.execute(HOLD, ([one.occurred_at for one in decoded],))
        names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        statement = sql.SQL(
            "insert into raw.events ({}, payload, mapped, load_id, kafka_topic, kafka_partition,"
            " kafka_offset) values ({}, %s, %s, %s, 'shop.events', 0, 0)"
        ).format(names, sql.SQL(", ").join([sql.Placeholder()] * len(COLUMNS)))
        connection.cursor().executemany(
            statement,
            [
                (
                    *(getattr(one, name) for name in COLUMNS),
                    one.payload.decode(),
                    None if one.mapped is None else one.mapped.decode(),
                    load_id,
                )
                for one in decoded
            ],
        )
        if verdict is not None:
            judge(connection, load_id, verdict)
    return load_id


def judge(connection: Connection[TupleRow], load_id: int, verdict: Any) -> None:
    """Have the gate say so of a load."""
    record_verdict(
        connection,
        Verdict(
            gate="raw",
            subject=str(load_id),
            verdict=verdict,
            rows_checked=1,
            expected=1,
            evaluated=1,
            failures=(),
            rows_found=1,
            load_ids=(load_id,),
        ),
    )


def erase(ref: str) -> None:
    """Erase the customer of a ref from the warehouse."""
    with transaction() as connection:
        erasures.wait_for_writers(connection)
        refs = linked(connection, {ref})
        names = {erasures.customer_id(erasures.sha256(ref)) for ref in refs}
        erasures.bury(connection, refs)
        delete_built(connection, refs, names)
        erasures.delete_events(connection, refs)


def rows(query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with transaction() as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def marts() -> dict[str, list[str]]:
    """Return every table and view that dbt built for others, row for row, in their order."""
    return {
        name: [
            row for (row,) in rows(f'select kept::text from analytics."{name}" as kept order by 1')
        ]
        for name in sorted(tables_of("analytics", "BASE TABLE", "VIEW"))
    }


def tables_of(schema: str, *kinds: str) -> Sequence[str]:
    """Return the names of a schema's relations of these kinds; without any, of its tables."""
    return [
        name
        for (name,) in rows(
            "select table_name from information_schema.tables"
            " where table_schema = %s and table_type = any(%s)",
            schema,
            list(kinds) or ["BASE TABLE"],
        )
    ]


def start_over() -> None:
    """Empty the warehouse and what it is built from."""
    with transaction() as connection:
        for schema in ("analytics", "intermediate"):
            connection.execute(f"drop schema {schema} cascade".encode())
            connection.execute(f"create schema {schema}".encode())
        connection.execute(
            "truncate raw.loads, raw.events, ops.builds, ops.build_loads, ops.snapshots,"
            " ops.gate_verdicts, ops.reopened_refs, ops.retentions, ops.segment_rules,"
            " ops.changed_customers,"
            " ops.segment_feed, ops.segment_outbox, ml.cluster_sets, ml.customer_clusters,"
            " privacy.erasures"
            " restart identity cascade"
        )


def _load(connection: Connection[TupleRow], events: Sequence[Event]) -> int:
    instants = [event.occurred_at for event in events]
    row = connection.execute(
        "insert into raw.loads (cluster_id, started_at, records_read, stored, duplicates, rejected,"
        " oldest_event_at, newest_event_at, offset_ranges)"
        " values ('test', %s, %s, %s, 0, 0, %s, %s, '{}') returning load_id",
        (
            *(NOON, len(events), len(events)),
            *(min(instants, default=None), max(instants, default=None)),
        ),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _decoded(envelope: Mapping[str, Any]) -> list[Event]:
    value = msgspec.json.encode(envelope)
    read = decode(value, received_at=datetime(2030, 1, 1, tzinfo=UTC), first_day=FIRST_DAY)
    assert not isinstance(read, Reject), read
    return [read] if isinstance(read, Event) else read
