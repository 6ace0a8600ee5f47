"""The features: what each column of ``analytics.customer_features`` says, in words.

The columns are computed by dbt; this list is the contract, and a test holds both equal. Windows are
half-open: a feature at ``as_of`` knows what occurred before it. A missing value (null, NaN) means
that the thing does not exist, such as the last order of somebody who never ordered; counts and sums
are then 0.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.errors import UnknownColumns


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        name: the column's name, window and unit included.
        unit: days, orders, money, share, ratio, …
        theme: what it tells about; reasons are given per theme.
        description: one sentence.
    """

    name: str
    unit: str
    theme: str
    description: str


FEATURES = (
    Feature("days_since_last_order", "days", "recency", "Days since the newest order."),
    Feature("order_count_7d", "orders", "frequency", "Orders in the last 7 days."),
    Feature("order_count_30d", "orders", "frequency", "Orders in the last 30 days."),
    Feature("order_count_90d", "orders", "frequency", "Orders in the last 90 days."),
    Feature("order_day_count_30d", "days", "frequency", "Days with an order, of the last 30."),
    Feature("order_day_count_90d", "days", "frequency", "Days with an order, of the last 90."),
    Feature("order_week_count_90d", "weeks", "frequency", "Weeks with an order, of the last 13."),
    Feature("net_revenue_7d", "money", "spend", "Money spent in the last 7 days."),
    Feature("net_revenue_30d", "money", "spend", "Money spent in the last 30 days."),
    Feature("net_revenue_90d", "money", "spend", "Money spent in the last 90 days."),
    Feature("mean_order_value_90d", "money", "spend", "Mean value of the orders of 90 days."),
    Feature("last_order_value", "money", "spend", "Value of the newest order."),
    Feature("discount_share_90d", "share", "discount", "Discount over gross revenue, 90 days."),
    Feature("mean_products_per_order_90d", "products", "basket", "Different products per order."),
    Feature("mean_categories_per_order_90d", "categories", "basket", "Categories per order."),
    Feature("order_count_trend", "ratio", "trend", "Orders: pace of 30 days over that of 90."),
    Feature("net_revenue_trend", "ratio", "trend", "Money: pace of 30 days over that of 90."),
    Feature("weekend_order_share_90d", "share", "timing", "Share of orders on a weekend (UTC)."),
    Feature("mean_gap_days", "days", "rhythm", "Mean pause between order days, over a year."),
    Feature("std_gap_days", "days", "rhythm", "How much the pauses vary (standard deviation)."),
    Feature("max_gap_days", "days", "rhythm", "Longest pause between order days."),
    Feature("last_gap_days", "days", "rhythm", "The pause before the newest order day."),
    Feature("mean_last_3_gaps_days", "days", "rhythm", "Mean of the newest three pauses."),
    Feature(
        "recency_to_mean_gap", "ratio", "recency", "Days since the last order over mean pause."
    ),
    Feature(
        "recency_to_max_gap", "ratio", "recency", "Days since the last order over the longest."
    ),
    Feature("recency_gap_score", "deviations", "recency", "How unusual the present pause is."),
    Feature(
        "longer_gap_share", "share", "recency", "Share of pauses at least as long as this one."
    ),
    Feature("coupon_count_90d", "coupons", "discount", "Coupons applied in the last 90 days."),
    Feature("browse_day_count_30d", "days", "browsing", "Days with a visit, of the last 30."),
    Feature("product_view_count_7d", "views", "browsing", "Product pages seen in 7 days."),
    Feature("product_view_count_30d", "views", "browsing", "Product pages seen in 30 days."),
    Feature("cart_add_count_7d", "products", "cart", "Products put in the cart in 7 days."),
    Feature("cart_add_count_30d", "products", "cart", "Products put in the cart in 30 days."),
    Feature("cart_adds_since_last_order", "products", "cart", "Put in the cart, not yet ordered."),
    Feature("days_since_last_browse", "days", "browsing", "Days since the newest visit."),
)
NAMES = tuple(feature.name for feature in FEATURES)
RFM = ("days_since_last_order", "order_count_90d", "net_revenue_90d")
BY_NAME = {feature.name: feature for feature in FEATURES}


def matrix(frame: pd.DataFrame, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return float64[rows, len(names)] in the order of ``names``; a missing value is NaN.

    Raises:
        UnknownColumns: the frame lacks some of the names.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise UnknownColumns(
            f"the features lack {', '.join(missing)}; the model was trained on another list: "
            "train it again"
        )
    return np.ascontiguousarray(frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan))


def fingerprints(values: NDArray[np.float64], names: tuple[str, ...]) -> list[str]:
    """Return one SHA-256 per row, equal on every machine.

    It covers the names, joined by commas, a line feed, then the values as little-endian float64,
    with one bit pattern for NaN and one for zero.

    Args:
        values: float64[n, len(names)]; NaN = missing.
        names: the columns' names.

    >>> fingerprints(np.array([[0.0], [-0.0]]), ("a",))[0][:8]
    'f72095a1'
    """
    canonical = np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8")
    head = hashlib.sha256((",".join(names) + "\n").encode())
    found = []
    for row in canonical:
        digest = head.copy()
        digest.update(row.tobytes())
        found.append(digest.hexdigest())
    return found
