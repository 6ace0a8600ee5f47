"""Sets of clusters: read what customers are grouped by, and keep who is in which."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    import pandas as pd


def read_rfm(connection: Connection[TupleRow], as_of: datetime) -> "pd.DataFrame":
    """Return recency_days, frequency and monetary of a snapshot, ordered by customer_id.

    Only customers who may be profiled now.
    """
    import pandas as pd

    found = connection.execute(
        "select rfm.customer_id, rfm.recency_days, rfm.frequency, rfm.monetary::float8"
        " from analytics.customer_rfm as rfm"
        " join analytics.dim_customers as customers using (customer_id)"
        " where rfm.as_of = %s and customers.is_profilable order by rfm.customer_id",
        (as_of,),
    ).fetchall()
    return pd.DataFrame(found, columns=["customer_id", "recency_days", "frequency", "monetary"])


def store_clusters(
    connection: Connection[TupleRow],
    members: Sequence[tuple[str, str]],
    *,
    method: str,
    as_of: datetime,
    params: Mapping[str, Any],
    clusters: Sequence[Mapping[str, Any]],
    sha256: str,
    now: datetime,
) -> int:
    """Keep a set of (customer_id, segment); return its number."""
    row = connection.execute(
        "insert into ml.cluster_sets"
        " (method, as_of, params, clusters, sha256, records, created_at)"
        " values (%s, %s, %s, %s, %s, %s, %s) returning cluster_set",
        (
            *(method, as_of, Jsonb(dict(params)), Jsonb([dict(one) for one in clusters])),
            *(sha256, len(members), now),
        ),
    ).fetchone()
    assert row is not None
    number = int(row[0])
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy ml.customer_clusters (cluster_set, customer_id, segment) from stdin"
        ) as copy,
    ):
        for customer_id, segment in members:
            copy.write_row((number, customer_id, segment))
    return number
