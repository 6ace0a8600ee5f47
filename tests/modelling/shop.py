"""Builders: a shop whose snapshots are written straight into the tables that dbt would build."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from psycopg import sql

from footfall.warehouse import models
from footfall.warehouse.verdicts import Verdict, as_of_subject, record_verdict
from ml.catalogue import MODEL_FEATURES, SLICE_FEATURES
from ml.drift import reference as remember
from ml.explain import contributions
from ml.labels import CHURN, LABELS, PURCHASE
from ml.learn import sample
from ml.train import Params, fit, from_bytes, sha256, to_bytes
from tests.ml.samples import SNAPSHOTS, SPLIT, snapshots

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
FIRST_EVENT = SNAPSHOTS[0] - timedelta(days=90)
BUILT = SNAPSHOTS[-1] + CHURN.horizon
CUSTOMERS = 150
COLUMNS = (*MODEL_FEATURES, *SLICE_FEATURES)

TABLES = """
    create table analytics.dim_customers (customer_id text primary key,
        first_seen_at timestamptz not null, is_profilable boolean not null, traits jsonb);
    create table analytics.customer_identities (ref text primary key, id_kind text,
        external_id text, customer_id text, linked_at timestamptz);
    create table analytics.customer_labels (customer_id text, as_of timestamptz,
        purchased_within_7_days boolean, churned_within_30_days boolean,
        primary key (as_of, customer_id));
    create table analytics.customer_rfm (customer_id text, as_of timestamptz, segment text,
        primary key (as_of, customer_id));
"""


@cache
def artefact(name: str, *, honest: bool, rounds: int) -> bytes:
    """Return a small model of the snapshots' labels, or of coin flips."""
    frame = snapshots(customers=CUSTOMERS)
    learnt = sample(frame, SPLIT.fitted, MODEL_FEATURES)
    labels = learnt.labels if name == "churn" else 1.0 - learnt.labels
    if not honest:
        labels = np.random.default_rng(1).permutation(labels)
    return to_bytes(fit(dataclasses.replace(learnt, labels=labels), Params(), rounds=rounds))


@cache
def reference(name: str, *, honest: bool, rounds: int) -> Mapping[str, Any]:
    """Return what that model remembers of the snapshots that it was fitted on."""
    frame = snapshots(customers=CUSTOMERS)
    learnt = sample(frame, SPLIT.fitted, MODEL_FEATURES)
    unseen = sample(frame, [SPLIT.holdout], MODEL_FEATURES)
    booster = from_bytes(artefact(name, honest=honest, rounds=rounds))
    parts = contributions(booster, unseen.values, MODEL_FEATURES)
    return remember(
        learnt.values,
        MODEL_FEATURES,
        snapshots=len(SPLIT.fitted),
        predictions=1.0 / (1.0 + np.exp(-parts.margins)),
        shap_values=parts.shap_values,
    ).as_dict()


class Shop:
    """A shop of 150 customers, whose user ids are ``user-0``…, seen each Saturday of the grid."""

    def __init__(self, dsn: str) -> None:
        self.connection: psycopg.Connection[Any] = psycopg.connect(
            dsn, autocommit=True, options="-c timezone=UTC"
        )
        self.connection.execute(TABLES)
        columns = sql.SQL(", ").join(
            sql.SQL("{} double precision").format(sql.Identifier(name)) for name in COLUMNS
        )
        self.connection.execute(
            sql.SQL(
                "create table analytics.customer_features (customer_id text, as_of timestamptz, {},"
                " primary key (as_of, customer_id))"
            ).format(columns)
        )
        self.build(BUILT)

    def build(self, through: datetime) -> None:
        """Note a finished build."""
        self.connection.execute(
            "insert into ops.builds (as_of, built_through, full_refresh, finished_at)"
            " values (%s, %s, true, %s)",
            (through, through, NOW),
        )

    def fill(self, frame: pd.DataFrame | None = None, *, label: str = "churn") -> None:
        """Add snapshots and their labels, and the customers whom they are about."""
        frame = snapshots(customers=CUSTOMERS) if frame is None else frame
        for as_of in sorted(set(frame["as_of"])):
            self.connection.execute(
                "insert into ops.snapshots (as_of, build_id)"
                " values (%s, (select max(build_id) from ops.builds)) on conflict do nothing",
                (as_of,),
            )
        for number, customer_id in enumerate(sorted(set(frame["customer_id"]))):
            self.connection.execute(
                "insert into analytics.dim_customers values (%s, %s, true) on conflict do nothing",
                (customer_id, FIRST_EVENT),
            )
            self.connection.execute(
                "insert into analytics.customer_identities values (%s, 'user', %s, %s, %s)"
                " on conflict do nothing",
                (f"u:user-{number}", f"user-{number}", customer_id, FIRST_EVENT),
            )
        self._copy("customer_features", ["customer_id", "as_of", *COLUMNS], frame)
        self.connection.execute(
            "insert into analytics.customer_rfm"
            " select customer_id, as_of, case when order_count_90d > 5 then 'loyal' else 'lost' end"
            " from analytics.customer_features on conflict do nothing"
        )
        column = LABELS[label].column
        labels = frame.assign(**{column: frame["label"].astype(bool)})
        other = (PURCHASE if label == "churn" else CHURN).column
        self._copy("customer_labels", ["customer_id", "as_of", column], labels)
        self.connection.execute(
            sql.SQL("update analytics.customer_labels set {other} = not {column}").format(
                other=sql.Identifier(other), column=sql.Identifier(column)
            )
        )

    def model(
        self,
        name: str = "churn",
        *,
        honest: bool = True,
        state: models.State = "challenger",
        holdout: datetime = SPLIT.holdout,
        fitted_until: datetime = SPLIT.holdout,
        checks: Sequence[tuple[str, bool]] = (("not_too_good", True),),
        rounds: int = 40,
    ) -> str:
        """Store a small model, honest or fitted on coin flips; return its id."""
        data = artefact(name, honest=honest, rounds=rounds)
        row = models.ModelRow(
            model_id=f"{name}-{holdout:%Y%m%d}-{sha256(data)[:8]}",
            name=name,
            trained_at=NOW,
            as_of=holdout + LABELS[name].horizon,
            sha256=sha256(data),
            params={"holdout": holdout.isoformat(), "fitted_until": fitted_until.isoformat()},
            metrics={
                **{"auc": 0.8, "average_precision": 0.4, "log_loss": 0.3, "baselines": {}},
                "checks": [{"name": name, "passed": ok, "detail": name} for name, ok in checks],
            },
            features=MODEL_FEATURES,
            state=state,
            calibration={"slope": 1.0, "intercept": 0.0},
            promoted_at=None,
        )
        models.store_model(
            self.connection,
            row,
            artefact=data,
            report="",
            reference=reference(name, honest=honest, rounds=rounds),
        )
        return row.model_id

    def pass_features(self, as_of: datetime, verdict: Any = "pass") -> None:
        """Let the gate at the features say its word."""
        record_verdict(
            self.connection,
            Verdict("features", as_of_subject(as_of), verdict, CUSTOMERS, 1, 1, (), CUSTOMERS),
        )

    def one(self, query: str, *values: Any) -> Any:
        """Return the first row of a query."""
        return self.connection.execute(query, values).fetchone()

    def _copy(self, table: str, columns: list[str], frame: pd.DataFrame) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("copy analytics.{} ({}) from stdin").format(
            sql.Identifier(table), names
        )
        rows = frame[columns].astype(object).replace({np.nan: None})
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows.itertuples(index=False):
                copy.write_row(row)
