"""Builders: frames that pass their suite, and what breaks one rule of a frame."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from expectations import events, features, scores
from expectations.suite import Expectation, Suite

FEATURES = (
    "days_since_last_order",
    "order_count_7d",
    "order_count_30d",
    "net_revenue_30d",
    "last_order_value",
    "discount_share_90d",
    "order_count_trend",
    "mean_products_per_order_90d",
    "recency_gap_score",
    "cart_adds_since_last_order",
    "funnel_depth_30d",
)
MODEL_NAMES = ("purchase", "churn", "value")
AMOUNTS = ("value",)
KNOWN_NAMES = ("purchase", "page_view")


def ledger(rows: int = 3, **columns: Any) -> pd.DataFrame:
    """Loads of 100 records each, as the warehouse counts them."""
    frame = pd.DataFrame(
        {
            "load_id": range(1, rows + 1),
            "records_read": 100,
            "stored": 98,
            "duplicates": 2,
            "rejected": 0,
            "open_rejects": 0,
            "erased_rows": 0,
            "missing_rows": 0,
            "consent_statements": 98,
        }
    )
    return frame.assign(**columns)


def event_rows(rows: int = 40) -> pd.DataFrame:
    """Events, every second one an order."""
    numbers = np.arange(rows)
    is_order = numbers % 2 == 0
    return pd.DataFrame(
        {
            "message_id": [f"m{n}" for n in numbers],
            "event_name": np.where(is_order, "purchase", "page_view"),
            "customer_ref": [f"u:{n % 7}" for n in numbers],
            "seconds_ahead": -numbers.astype("float64"),
            "order_value": np.where(is_order, 10.0, np.nan),
            "product_count": np.where(is_order, 2.0, np.nan),
        }
    )


def feature_rows(rows: int = 40) -> pd.DataFrame:
    """Customers with different features; the last order of some is unknown."""
    numbers = np.arange(rows, dtype="float64")
    frame = pd.DataFrame({name: numbers / rows for name in FEATURES})
    frame["order_count_30d"] = frame.order_count_7d + 1.0
    frame.loc[: rows // 2, "last_order_value"] = np.nan
    as_of = pd.Timestamp("2018-01-02", tz="UTC")
    return frame.assign(customer_id=[f"c{n}" for n in range(rows)], as_of=as_of)


def score_rows(rows: int = 40) -> pd.DataFrame:
    """Scores of a model of classes, and some of one of amounts."""
    numbers = np.arange(rows, dtype="float64")
    is_amount = numbers >= rows - 5
    return pd.DataFrame(
        {
            "model_id": np.where(is_amount, "value-1", "purchase-1"),
            "customer_id": [f"c{n:.0f}" for n in numbers],
            "probability": np.where(is_amount, np.nan, numbers / rows),
            "amount": np.where(is_amount, 100.0 * numbers, np.nan),
            "predictions": 1,
            "percentile": 100.0 * numbers / rows,
            "additivity_error": 1e-6,
            "contributions_missing": 0,
            "reason_count": 3,
            "features_sha256": "ab" * 32,
            "lifetime_seconds": 3600.0,
            "days_from_set": 0.0,
        }
    )


def score_models() -> pd.DataFrame:
    """Three models of one set."""
    return pd.DataFrame(
        {
            "model_id": ["purchase-1", "churn-1", "value-1"],
            "name": ["purchase", "churn", "value"],
            "score_rows": 40,
            "mean_probability": [0.5, 0.1, np.nan],
            "mean_amount": [np.nan, np.nan, 300.0],
            "mean_percentile": 50.0,
            "distinct_predictions": 40,
            "fallback_rows": 0,
            "drift": ["steady", "moved", "steady"],
            "missing_records": 0.0,
            "unscored_champions": 0,
        }
    )


def good() -> dict[str, tuple[pd.DataFrame, Suite]]:
    """Every suite with a frame that passes it."""
    rows, columns = features.judged(feature_rows(), FEATURES)
    return {
        "ledger": (events.judged_ledger(ledger()), events.ledger_suite()),
        "events": (event_rows(), events.rows_suite(KNOWN_NAMES)),
        "features": rows,
        "feature columns": columns,
        "scores": (score_rows(), scores.rows_suite()),
        "models": (
            scores.judged_models(score_models(), AMOUNTS),
            scores.models_suite(MODEL_NAMES, drift_stops=True),
        ),
    }


def broken(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    """Break one rule of a frame that passes; the wider of two rules breaks the narrower, too."""
    return BREAKERS[rule.type.removeprefix("expect_")](frame.copy(), rule)


def _first_null(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    frame[rule.column] = frame[rule.column].astype("object").mask(frame.index == 0, None)
    return frame


def _twice(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    for column in str(rule.column).split(", "):
        frame.loc[0, column] = frame.loc[1, column]
    return frame


def _beyond(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    low, high = rule.arguments.get("min_value"), rule.arguments.get("max_value")
    outside = low - 1.0 if low is not None else high + 1.0
    values = frame[rule.column].astype("float64")
    is_all = rule.arguments.get("mostly", 1.0) < 1.0
    frame[rule.column] = values.mask(values.notna() if is_all else frame.index == 0, outside)
    return frame


def _mean_beyond(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    frame[rule.column] = float(rule.arguments["max_value"]) + 0.01
    return frame


def _text(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    frame.loc[0, rule.column] = "?"
    return frame


def _one_value(frame: pd.DataFrame, rule: Expectation) -> pd.DataFrame:
    repeated = frame.loc[frame.index.repeat(5)].reset_index(drop=True)
    repeated["customer_id"] = [f"c{n}" for n in range(len(repeated))]
    return repeated.assign(**{str(rule.column): 1})


BREAKERS: dict[str, Callable[[pd.DataFrame, Expectation], pd.DataFrame]] = {
    "column_values_to_not_be_null": _first_null,
    "column_values_to_be_unique": _twice,
    "compound_columns_to_be_unique": _twice,
    "column_values_to_be_between": _beyond,
    "column_mean_to_be_between": _mean_beyond,
    "column_values_to_be_in_set": _text,
    "column_values_to_match_regex": _text,
    "column_proportion_of_unique_values_to_be_between": _one_value,
    "table_columns_to_match_set": lambda frame, rule: frame.assign(surprise=1),
    "table_row_count_to_be_between": lambda frame, rule: frame.iloc[:0],
}
