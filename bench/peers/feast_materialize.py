"""Materialize profiles into Redis with Feast, from a parquet file, in an environment of its own.

Reads its task as JSON from stdin: profiles, redis, folder. Prints what it took.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64, String

AS_OF = datetime(2018, 1, 2, tzinfo=UTC)
NUMBERS = ("purchase", "purchase_percentile", "churn", "churn_percentile")
TEXTS = ("segment", "reasons", "products", "as_of", "scored_at", "expires_at", "models", "version")
REASONS = json.dumps(
    {"purchase": ["more likely to buy: last order 3 days ago"] * 3} | {"churn": ["x" * 40] * 3}
)


def profiles(count: int) -> pd.DataFrame:
    """Return rows of the same fields and about the same size as Footfall's records."""
    texts = {"reasons": REASONS, "products": '["1", "2", "3"]', "segment": "champions"}
    return pd.DataFrame(
        {"customer_id": [f"c{n:020x}" for n in range(count)], "event_timestamp": AS_OF}
        | {name: [(n % 1000) / 1000 for n in range(count)] for name in NUMBERS}
        | {name: texts.get(name, "2018-01-02T00:00:00Z") for name in TEXTS}
    )


def main() -> None:
    """Write the file, register it, and materialize it."""
    task = json.load(sys.stdin)
    folder, place = Path(task["folder"]), urlsplit(task["redis"])
    profiles(task["profiles"]).to_parquet(folder / "profiles.parquet")
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "file"},
            online_store={
                "type": "redis",
                "connection_string": f"{place.hostname}:{place.port},db=1",
            },
            entity_key_serialization_version=3,
        )
    )
    customer = Entity(name="customer", join_keys=["customer_id"])
    view = FeatureView(
        name="profiles",
        entities=[customer],
        ttl=timedelta(days=36500),
        schema=[
            *(Field(name=name, dtype=Float64) for name in NUMBERS),
            *(Field(name=name, dtype=String) for name in TEXTS),
        ],
        source=FileSource(path=str(folder / "profiles.parquet"), timestamp_field="event_timestamp"),
    )
    store.apply([customer, view])
    started = time.perf_counter()
    store.materialize(AS_OF - timedelta(days=1), AS_OF + timedelta(days=1))
    seconds = time.perf_counter() - started
    sys.stdout.write("\n" + json.dumps({"seconds": seconds}))


main()
