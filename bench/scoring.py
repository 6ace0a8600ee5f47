"""What it costs to score very many customers: seconds and memory; the part ``scoring``.

The features are a table of random numbers, the model is one of them; scored are all customers,
then, after a hundredth of them changed, all again.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
from rich.console import Console
from rich.table import Table

from bench import process
from bench.server import database
from footfall.settings import settings
from footfall.warehouse import models
from footfall.warehouse.verdicts import Verdict, as_of_subject, record_verdict
from ml.catalogue import MODEL_FEATURES
from ml.drift import Reference, reference
from ml.explain import margins
from ml.train import Params, Sample, fit, sha256, to_bytes

AS_OF = datetime(2026, 1, 3, tzinfo=UTC)
SIZES = (100_000, 1_000_000)
LONGEST_SECONDS = 7200
TREES = 150
LEARNT_ROWS = 5_000
# One customer in a hundred orders once more.
CHANGE = "update analytics.customer_features set order_count_90d = order_count_90d + 1 where {few}"
FEW = "('x' || right(customer_id, 7))::bit(28)::integer % 100 = 0"
SCORE = """
import json, sys
from datetime import datetime
from footfall.modelling.scoring import score
done = score(now=datetime.fromisoformat(sys.argv[1]))
print(json.dumps({"explained": done.explained, "kept": done.kept, "seconds": done.seconds}))
"""


@dataclass(frozen=True)
class Scored:
    """One score set, made in a process of its own."""

    what: str
    customers: int
    explained: int
    kept: int
    seconds: float
    peak_mb: float


def measure(
    admin_dsn: str, *, sizes: Sequence[int], folder: Path, say: Callable[[str], None]
) -> list[Scored]:
    """Score each number of customers twice.

    Args:
        admin_dsn: of the server of `bench.server.counting_postgres`.
        sizes: how many customers.
        folder: where the processes run.
        say: tells how far it is.
    """
    found = []
    for size in sizes:
        with database("scoring", admin_dsn):
            say(f"scoring: writing the features of {size:,} customers")
            _fill(size)
            say(f"scoring: {size:,} customers")
            found.append(_score("all explained", size, folder))
            _execute(CHANGE.format(few=FEW))
            say(f"scoring: {size:,} customers, one in a hundred changed")
            found.append(_score("1 % changed", size, folder))
    return found


def show(scored: Sequence[Scored], *, load: str) -> None:
    """Print a row per score set."""
    table = Table(title=f"scoring: one model, {TREES} trees of depth {Params.max_depth} ({load})")
    table.add_column("score set")
    for heading in ("customers", "explained", "kept", "s", "customers/s", "peak\nRSS MB"):
        table.add_column(heading, justify="right")
    for one in scored:
        table.add_row(
            one.what,
            f"{one.customers:,}",
            f"{one.explained:,}",
            f"{one.kept:,}",
            f"{one.seconds:.1f}",
            f"{one.customers / one.seconds:,.0f}",
            f"{one.peak_mb:,.0f}",
        )
    Console(width=None if Console().is_terminal else 120).print(table)


def _score(what: str, customers: int, folder: Path) -> Scored:
    command = [sys.executable, "-c", SCORE, AS_OF.isoformat()]
    ended = process.run(command, cwd=folder, longest=LONGEST_SECONDS)
    told = json.loads(ended.output)
    return Scored(what, customers, peak_mb=ended.peak_mb, **told)


def _fill(customers: int) -> None:
    columns = ", ".join(f"{name} double precision" for name in MODEL_FEATURES)
    numbers = ", ".join("floor(random() * 40)" for _ in MODEL_FEATURES)
    _execute(
        "create table analytics.dim_customers (customer_id text primary key,"
        " first_seen_at timestamptz not null, is_profilable boolean not null)",
        f"create table analytics.customer_features (customer_id text, as_of timestamptz, {columns},"
        " primary key (as_of, customer_id))",
        "create table analytics.customer_labels (customer_id text, as_of timestamptz,"
        " purchased_within_7_days boolean)",
        "select setseed(0.5)",
        f"insert into analytics.customer_features select 'c' || lpad(to_hex(number), 20, '0'),"
        f" '{AS_OF.isoformat()}', {numbers} from generate_series(1, {customers}) as number",
        "insert into analytics.dim_customers"
        " select customer_id, as_of, true from analytics.customer_features",
        f"insert into ops.builds (as_of, built_through, full_refresh, finished_at)"
        f" values ('{AS_OF.isoformat()}', '{AS_OF.isoformat()}', true, '{AS_OF.isoformat()}')",
        f"insert into ops.snapshots (as_of, build_id)"
        f" select '{AS_OF.isoformat()}', max(build_id) from ops.builds",
        "vacuum analyze analytics.customer_features, analytics.dim_customers",
    )
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        verdict = Verdict("features", as_of_subject(AS_OF), "pass", customers, 1, 1, (), customers)
        record_verdict(connection, verdict)
        artefact, known = _learnt()
        models.store_model(
            connection,
            _champion(artefact),
            artefact=artefact,
            report="",
            reference=known.as_dict(),
        )


def _learnt() -> tuple[bytes, Reference]:
    """Return trees that have learnt noise and something of three features, and of what rows."""
    chance = np.random.default_rng(1)
    values = np.floor(chance.random((LEARNT_ROWS, len(MODEL_FEATURES))) * 40)
    odd = chance.normal(size=LEARNT_ROWS) * 20
    labels = (values[:, 0] - values[:, 2] + odd > values[:, 3] - 20).astype(np.float64)
    trees = fit(Sample(values, labels, MODEL_FEATURES), Params(), rounds=TREES)
    given = 1.0 / (1.0 + np.exp(-margins(trees, values, MODEL_FEATURES)))
    parts = np.ones((1, len(MODEL_FEATURES)))  # all are worth the same
    known = reference(values, MODEL_FEATURES, snapshots=1, predictions=given, shap_values=parts)
    return to_bytes(trees), known


def _champion(artefact: bytes) -> models.ModelRow:
    return models.ModelRow(
        model_id=f"purchase-{AS_OF:%Y%m%d}-{sha256(artefact)[:8]}",
        name="purchase",
        trained_at=AS_OF,
        as_of=AS_OF,
        sha256=sha256(artefact),
        params={"holdout": AS_OF.isoformat(), "fitted_until": AS_OF.isoformat()},
        metrics={},
        features=MODEL_FEATURES,
        state="champion",
        calibration={"slope": 1.0, "intercept": 0.0},
        promoted_at=None,
    )


def _execute(*statements: str) -> None:
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
