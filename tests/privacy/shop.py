"""Builders: events through the loader, tables as dbt builds them, scores and publications."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg

from footfall.events.decode import decode
from footfall.warehouse import loads
from footfall.warehouse.erasures import customer_id, sha256
from footfall.warehouse.events import EventBatch
from footfall.warehouse.loads import Load, Origin

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DAY = datetime(2018, 1, 1, tzinfo=UTC)
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
numbers = count(1)

BUILT = """
    create schema if not exists intermediate;
    create table analytics.customer_identities (ref text primary key, id_kind text,
        external_id text, customer_id text, linked_at timestamptz);
    create table analytics.dim_customers (customer_id text primary key, is_profilable boolean);
    create table analytics.fct_orders (order_id text primary key, customer_id text);
    create table analytics.fct_order_lines (order_id text, product_id text);
    create table analytics.fct_sessions (session_id text primary key, customer_id text);
    create table analytics.customer_features (customer_id text, as_of timestamptz);
    create table intermediate.int_events (message_id text, ref text, anonymous_id text);
    create table intermediate.int_links (child_ref text, parent_ref text, displaced_refs text[]);
    create table intermediate.int_session_events (session_id text, message_id text);
    create view intermediate.stg_events as select message_id, customer_ref as ref from raw.events;
"""

Event = dict[str, Any]


def name_of(ref: str) -> str:
    """Return the customer_id of a customer whose root is this ref."""
    return customer_id(sha256(ref))


def event(
    *, user: str | int | None = None, anonymous: str | None = None, minutes: int = 0, **fields: Any
) -> Event:
    """Build one Segment call; a page view unless ``fields`` say otherwise."""
    number = next(numbers)
    ids = {"userId": user, "anonymousId": anonymous}
    at = (DAY + timedelta(minutes=minutes or number)).isoformat()
    call = {"type": "page", "messageId": f"m{number}", "timestamp": at}
    return call | {name: id_ for name, id_ in ids.items() if id_ is not None} | fields


def load(
    connection: psycopg.Connection[Any],
    events: Iterable[Event | bytes],
    *,
    offset: int | None = None,
) -> Load:
    """Store events with the project's own loader; the same offset means the same records again."""
    start = next(numbers) * 1000 if offset is None else offset
    values = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in events]
    batch = EventBatch()
    for number, value in enumerate(values):
        batch.add("shop.events", 0, start + number, DAY, _decoded(value), value)
    with connection.transaction():
        return loads.store(connection, Origin("k", DAY, []), batch)


def _decoded(value: bytes) -> Any:
    return decode(value, received_at=DAY + timedelta(days=365), first_day=FIRST_DAY)


def build(connection: psycopg.Connection[Any], customers: dict[str, Sequence[str]]) -> None:
    """Fill the tables as a build would: ``customers`` has each root ref's refs, itself included."""
    connection.execute(BUILT)
    for root, refs in customers.items():
        name = name_of(root)
        for ref in refs:
            kind = "user" if ref.startswith("u:") else "anonymous"
            connection.execute(
                "insert into analytics.customer_identities values (%s, %s, %s, %s, %s)",
                (ref, kind, ref[2:], name, DAY),
            )
            connection.execute(
                "insert into intermediate.int_events select message_id, customer_ref, anonymous_id"
                " from raw.events where customer_ref = %s",
                (ref,),
            )
            connection.execute(
                "insert into intermediate.int_links values (%s, %s, %s)", (ref, root, [root, "u:z"])
            )
        connection.execute("insert into analytics.dim_customers values (%s, true)", (name,))
        connection.execute("insert into analytics.fct_orders values (%s, %s)", (f"o-{root}", name))
        connection.execute(
            "insert into analytics.fct_order_lines values (%s, 'p1'), (%s, 'p2')",
            (f"o-{root}", f"o-{root}"),
        )
        connection.execute(
            "insert into analytics.fct_sessions values (%s, %s)", (f"s-{root}", name)
        )
        connection.execute(
            "insert into intermediate.int_session_events values (%s, 'm')", (f"s-{root}",)
        )
        connection.execute("insert into analytics.customer_features values (%s, %s)", (name, DAY))


def score(connection: psycopg.Connection[Any], roots: Iterable[str]) -> int:
    """Score the customers of these root refs; return the score set."""
    names = [name_of(root) for root in roots]
    connection.execute(
        "insert into ml.models (model_id, name, trained_at, as_of, sha256, params, metrics,"
        " features, state, artefact, calibration) values"
        " ('purchase-1', 'purchase', %s, %s, 'x', '{}', '{}', '[]', 'champion', '', '{}')"
        " on conflict do nothing",
        (NOW, DAY),
    )
    row = connection.execute(
        "insert into ml.score_sets (as_of, model_ids, completed_at, records)"
        " values (%s, '{purchase-1}', %s, %s) returning score_set",
        (DAY, NOW, len(names)),
    ).fetchone()
    assert row is not None
    for name in names:
        connection.execute(
            "insert into ml.scores (score_set, model_id, customer_id, as_of, probability,"
            " percentile, margin, base_value, shap_values, reasons, features_sha256, scored_at,"
            " expires_at) values (%s, 'purchase-1', %s, %s, 0.5, 50, 0, 0, '{}', '[]', '', %s, %s)",
            (row[0], name, DAY, NOW, NOW + timedelta(days=9999)),
        )
    return int(row[0])


def publish(connection: psycopg.Connection[Any], score_set: int, state: str) -> str:
    """Note a publication in this state; return its version."""
    row = connection.execute(
        "insert into serving.publications (score_set, state, epoch, expires_at)"
        " values (%s, %s, 1, %s) returning version::text",
        (score_set, state, NOW),
    ).fetchone()
    assert row is not None
    return str(row[0])


def mentions(connection: psycopg.Connection[Any], word: str) -> list[str]:
    """Return the tables in which any value of any row contains the word."""
    tables = connection.execute(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema')"
    ).fetchall()
    found = []
    for (table,) in tables:
        rows = connection.execute(
            f"select 1 from {table} as t where position(%s in to_jsonb(t)::text) > 0"
            " or position(encode(convert_to(%s, 'UTF8'), 'hex') in to_jsonb(t)::text) > 0 limit 1",
            (word, word),
        ).fetchall()
        if rows:
            found.append(str(table))
    return sorted(found)
