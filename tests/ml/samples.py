"""Builders: customers whose order counts and recency tell, with noise, whether they come back."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from ml.catalogue import MODEL_FEATURES
from ml.labels import CHURN
from ml.split import Split, saturdays, split_by_time

FIRST = datetime(2017, 4, 1, tzinfo=UTC)
LAST = datetime(2017, 8, 26, tzinfo=UTC)
SNAPSHOTS = saturdays(FIRST, LAST)
SPLIT: Split = split_by_time(SNAPSHOTS, CHURN.horizon)


def snapshots(
    as_ofs: list[datetime] | None = None, *, customers: int = 150, seed: int = 1
) -> pd.DataFrame:
    """Return labelled snapshots: customer_id, as_of, the features and label."""
    chance = np.random.default_rng(seed)
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
        frame.insert(0, "as_of", pd.Timestamp(as_of))
        frame.insert(0, "customer_id", [f"c{number:020x}" for number in range(customers)])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
