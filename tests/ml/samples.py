"""Builders: customers whose order counts and recency tell, with noise, whether they come back."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from ml.calibrate import Calibration
from ml.catalogue import MODEL_FEATURES
from ml.changes import Former, changes
from ml.evidence import Evidence, Lineage
from ml.interactions import strongest_interactions
from ml.labels import CHURN, LABELS, Label
from ml.learn import Learnt, learn, sample
from ml.split import WEEK, Split, saturdays, split_by_time
from ml.train import Params, fit, from_bytes, to_bytes

FIRST = datetime(2017, 4, 1, tzinfo=UTC)
LAST = datetime(2017, 8, 26, tzinfo=UTC)
SNAPSHOTS = saturdays(FIRST, LAST)
SPLIT: Split = split_by_time(SNAPSHOTS, CHURN.horizon)
VALUE = LABELS["value"]
VALUE_SNAPSHOTS = saturdays(FIRST, datetime(2017, 9, 30, tzinfo=UTC))
VALUE_SPLIT: Split = split_by_time(VALUE_SNAPSHOTS, VALUE.horizon)


def snapshots(
    as_ofs: list[datetime] | None = None, *, customers: int = 150, seed: int = 1
) -> pd.DataFrame:
    """Return labelled snapshots: customer_id, as_of, features to learn and slice by, label."""
    chance, aside = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    frames = []
    for as_of in as_ofs or SNAPSHOTS:
        activity = chance.gamma(2.0, 4.0, customers)
        orders = chance.poisson(activity) + 1.0
        recency = chance.exponential(90.0 / orders)
        frame = pd.DataFrame(0.0, index=range(customers), columns=list(MODEL_FEATURES))
        frame["order_count_90d"] = orders
        frame["order_count_30d"] = np.floor(orders / 3)
        frame["net_revenue_90d"] = orders * chance.gamma(3.0, 10.0, customers)
        frame["days_since_last_order"] = recency
        frame["mean_gap_days"] = np.where(orders > 1, 90.0 / orders, np.nan)
        frame["recency_to_mean_gap"] = recency / frame["mean_gap_days"]
        leaves = 1.0 / (1.0 + np.exp(0.25 * orders - 0.03 * recency - 0.5))
        frame["label"] = (chance.random(customers) < leaves).astype(float)
        frame["days_since_first_seen"] = aside.uniform(1.0, 300.0, customers)
        share = aside.choice([0.0, 0.3, 0.8, 1.0], customers)
        frame["mobile_share_90d"] = np.where(aside.random(customers) < 0.2, np.nan, share)
        frame.insert(0, "as_of", pd.Timestamp(as_of))
        frame.insert(0, "customer_id", [f"c{number:020x}" for number in range(customers)])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def spendings(
    as_ofs: Sequence[datetime] = VALUE_SNAPSHOTS, *, customers: int = 150, seed: int = 1
) -> pd.DataFrame:
    """Return snapshots with the amount that each customer brings in, and a repeat summary.

    Who buys often goes on to, a third brings in nothing; past orders tell how much, with noise.
    """
    frame = snapshots(list(as_ofs), customers=customers, seed=seed)
    chance = np.random.default_rng(seed + 7)
    orders, money = frame["order_count_90d"], frame["net_revenue_90d"]
    frame["mean_order_value_90d"] = money / orders
    comes = chance.random(len(frame)) < 1.0 - 0.6 * np.exp(-orders / 8.0)
    frame["label"] = np.where(comes, money * chance.gamma(4.0, 0.25, len(frame)), 0.0).round(2)
    age = np.floor(frame["days_since_first_seen"]) + 1.0
    frame["repeat_days"] = np.minimum(orders - 1.0, age)
    frame["age_days"] = age
    last = np.maximum(np.floor(age - frame["days_since_last_order"]), frame["repeat_days"])
    frame["recency_days"] = np.where(frame["repeat_days"] > 0, last, 0.0)
    frame["mean_repeat_value"] = np.where(frame["repeat_days"] > 0, money / orders, 0.0)
    return frame


def evidence(
    learnt: Learnt,
    params: Params,
    *,
    model_id: str = "churn-20170930-0123abcd",
    label: Label = CHURN,
    split: Split = SPLIT,
) -> Evidence:
    """Return the evidence on a model of these snapshots, without a champion."""
    return Evidence(
        model_id=model_id,
        sha256=learnt.sha256,
        label=label,
        as_of=datetime(2017, 9, 30, tzinfo=UTC),
        split=split,
        fitted_rows=learnt.fitted_rows,
        frame_sha256=learnt.frame_sha256,
        params={**params.as_dict(), "rounds": learnt.rounds},
        calibration=learnt.calibration,
        holdout=learnt.holdout,
        predictions=learnt.predictions,
        baselines=learnt.baseline_predictions,
        shap_values=learnt.shap_values,
        drift=learnt.drift,
        checks=learnt.checks,
        slices=learnt.slices,
        interactions=strongest_interactions(from_bytes(learnt.artefact), learnt.holdout),
        lineage=Lineage(2, (1, 2), 3, (1, 3), 41_000, ["stg_shop__events", "customer_features"]),
    )


def former(frame: pd.DataFrame, params: Params, *, rounds: int) -> Former:
    """Return a champion of the same snapshots, known a week before the holdout."""
    fitted = sample(frame, SPLIT.fitted, MODEL_FEATURES)
    return Former(
        model_id="churn-20170819-89abcdef",
        as_of=LAST - WEEK,
        fitted_until=LAST - WEEK,
        fitted_rows=len(fitted.labels),
        features=MODEL_FEATURES,
        params={**params.as_dict(), "rounds": rounds},
        calibration=Calibration(),
        artefact=to_bytes(fit(fitted, params, rounds=rounds)),
    )


def against(champion: Former, challenger: Evidence) -> Evidence:
    """Return the challenger's evidence with what it changes against the champion."""
    found = changes(
        champion,
        holdout=challenger.holdout,
        holdout_at=SPLIT.holdout,
        predictions=challenger.predictions,
        shap_values=challenger.shap_values,
        params=challenger.params,
        fitted_rows=challenger.fitted_rows,
    )
    return dataclasses.replace(challenger, changes=found)


def shown(customers: int = 700) -> Evidence:
    """Return the evidence of the report that the docs show: a declared trait, and a champion."""
    frame = snapshots(customers=customers)
    ages = np.array(["18-34", "35-54", "55 and older", None], dtype=object)
    picked = np.random.default_rng(3).choice(4, len(frame), p=[0.3, 0.4, 0.2, 0.1])
    frame["trait:age_group"] = ages[picked]
    params = Params(most_rounds=200, patience=20)
    learnt = learn(frame, SPLIT, MODEL_FEATURES, params)
    champion = former(frame, dataclasses.replace(params, max_depth=2), rounds=25)
    return against(champion, evidence(learnt, params))
