"""Builders: what stands at the three doors, written straight into the tables."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from ml.features import NAMES

AS_OF = datetime(2018, 1, 2, tzinfo=UTC)
NOON = datetime(2018, 1, 1, 12, tzinfo=UTC)
numbers = count(1)


def load(
    connection: psycopg.Connection[Any],
    *,
    events: int = 20,
    duplicates: int = 0,
    rejected: int = 0,
    reason: str = "malformed_json",
    **columns: Any,
) -> int:
    """Add a load with its events and rejects; ``columns`` replace columns of the first event."""
    row = connection.execute(
        "insert into raw.loads (cluster_id, started_at, records_read, stored, duplicates, rejected,"
        " offset_ranges) values ('k', %s, %s, %s, %s, %s, '[]') returning load_id",
        (NOON, events + duplicates + rejected, events, duplicates, rejected),
    ).fetchone()
    assert row is not None
    for n in range(events):
        _event(connection, row[0], **(columns if n == 0 else {}))
    for _ in range(rejected):
        connection.execute(
            "insert into raw.rejected_events (cluster_id, kafka_topic, kafka_partition,"
            " kafka_offset, reason, detail, load_id) values ('k', 't', 0, %s, %s, '', %s)",
            (next(numbers), reason, row[0]),
        )
    return int(row[0])


def _event(connection: psycopg.Connection[Any], load_id: int, **columns: Any) -> None:
    number = next(numbers)
    event = {
        "message_id": f"m{number}",
        "event_name": "purchase",
        "customer_ref": "u:1",
        "user_id": "1",
        "occurred_at": NOON,
        "received_at": NOON,
        "dialect": "segment",
        "allows_profiling": True,
        "payload": {"properties": {"revenue": 10, "products": [{}]}},
        "kafka_topic": "t",
        "kafka_partition": 0,
        "kafka_offset": number,
    } | columns
    event["payload"] = Jsonb(event["payload"])
    names = ", ".join((*event, "load_id"))
    places = ", ".join(["%s"] * (len(event) + 1))
    connection.execute("select raw.hold_partitions(array[date_trunc('month', %s)::date])", (NOON,))
    connection.execute(
        f"insert into raw.events ({names}) values ({places})", (*event.values(), load_id)
    )


def features(
    connection: psycopg.Connection[Any], *, rows: int = 30, as_of: datetime = AS_OF
) -> None:
    """Add features of an instant; customer n has n orders and so on."""
    columns = ", ".join(f"{name} double precision" for name in NAMES)
    connection.execute(
        "create table if not exists analytics.customer_features"
        f" (customer_id text, as_of timestamptz, {columns})"
    )
    places = ", ".join(["%s"] * (len(NAMES) + 2))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"insert into analytics.customer_features values ({places})",
            [(f"c{n}", as_of, *[n / rows] * len(NAMES)) for n in range(rows)],
        )


def model(connection: psycopg.Connection[Any], name: str, state: str = "champion") -> str:
    """Add a model of two features."""
    connection.execute(
        "insert into ml.models (model_id, name, trained_at, as_of, sha256, params, metrics,"
        " features, state, artefact, calibration)"
        " values (%s, %s, %s, %s, 'x', '{}', '{}', '[\"a\", \"b\"]', %s, '', '{}')",
        (f"{name}-1", name, NOON, AS_OF, state),
    )
    return f"{name}-1"


def scores(
    connection: psycopg.Connection[Any],
    models: list[str],
    *,
    rows: int = 30,
    records: int | None = None,
    complete: bool = True,
    as_of: datetime = AS_OF,
    drift: str = "steady",
    **columns: Any,
) -> int:
    """Add a score set and its models' drift; ``columns`` replace columns of every score."""
    row = connection.execute(
        "insert into ml.score_sets (as_of, model_ids, completed_at, records)"
        " values (%s, %s, %s, %s) returning score_set",
        (as_of, models, NOON if complete else None, records or rows * len(models)),
    ).fetchone()
    assert row is not None
    for model_id in models:
        for n in range(rows):
            score = {
                "score_set": row[0],
                "model_id": model_id,
                "customer_id": f"c{n}",
                "as_of": as_of,
                "probability": (n + 0.5) / rows,
                "percentile": 100 * (n + 0.5) / rows,
                "margin": 0.75,
                "base_value": 0.5,
                "shap_values": [0.5, -0.25],
                "reasons": Jsonb([{"text": "why"}]),
                "features_sha256": "ab" * 32,
                "scored_at": NOON,
                "expires_at": NOON + timedelta(days=2),
            } | columns
            names, places = ", ".join(score), ", ".join(["%s"] * len(score))
            connection.execute(
                f"insert into ml.scores ({names}) values ({places})", tuple(score.values())
            )
        connection.execute(
            "insert into ml.drift_verdicts values (%s, %s, %s, %s, '{}')",
            (row[0], model_id, as_of, drift),
        )
    return int(row[0])
