"""The list of the features: meaning, unit, window and source of each, in the order of the table.

It is the file features.yml. What dbt and docs/features.md say is written from it
(``ml.catalogue_pages``), so that each feature is described once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SIGNS = {"rising": 1, "falling": -1}


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        name: the column's name, window and unit included.
        unit: days, orders, money, share, ratio, …
        theme: what it tells about; reasons are given per theme.
        window_days: so many times 24 hours before as_of; None = all that was known at as_of.
        source: what it is computed from: orders, identities, or kinds of event.
        meaning: one sentence.
        null_when: when it is missing, as the end of "Null …"; None = never.
        monotone: by model, whether its prediction may only rise (1) or fall (-1) with the feature.
    """

    name: str
    unit: str
    theme: str
    window_days: int | None
    source: str
    meaning: str
    null_when: str | None = None
    monotone: Mapping[str, int] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Return the meaning, and when it is missing."""
        return self.meaning + (f" Null {self.null_when}." if self.null_when else "")


def _features() -> Iterator[Feature]:
    themes = yaml.safe_load((Path(__file__).parent / "features.yml").read_text())
    for theme, entries in themes.items():
        for entry in entries:
            for days in entry.get("windows", [None]):
                yield _feature(theme, entry, days)


def _feature(theme: str, entry: dict[str, Any], days: int | None) -> Feature:
    within = "in the last 24 hours" if days == 1 else f"in the last {days} days"
    return Feature(
        name=entry["name"].format(days=days),
        unit=entry["unit"],
        theme=theme,
        window_days=days,
        source=entry["source"],
        meaning=entry["meaning"].format(within=within),
        null_when=entry.get("missing"),
        monotone={model: SIGNS[way] for model, way in entry.get("monotone", {}).items()},
    )


FEATURES = tuple(_features())

# What the models of today learn from, in their order; a model stores its own list.
MODEL_FEATURES = (
    *("days_since_last_order", "order_count_7d", "order_count_30d", "order_count_90d"),
    *("order_day_count_30d", "order_day_count_90d", "order_week_count_90d"),
    *("net_revenue_7d", "net_revenue_30d", "net_revenue_90d", "mean_order_value_90d"),
    *("last_order_value", "discount_share_90d", "mean_products_per_order_90d"),
    *("mean_categories_per_order_90d", "order_count_trend", "net_revenue_trend"),
    *("weekend_order_share_90d", "mean_gap_days", "std_gap_days", "max_gap_days", "last_gap_days"),
    *("mean_last_3_gaps_days", "recency_to_mean_gap", "recency_to_max_gap", "recency_gap_score"),
    *("longer_gap_share", "coupon_count_90d", "browse_day_count_30d", "product_view_count_7d"),
    *("product_view_count_30d", "cart_add_count_7d", "cart_add_count_30d"),
    *("cart_adds_since_last_order", "days_since_last_browse"),
)

# What the holdout is sliced by besides, and no model learns from.
SLICE_FEATURES = ("days_since_first_seen", "mobile_share_90d")
SEGMENT = "segment"  # the column of the segment by RFM, at the row's as_of
TRAIT = "trait:"  # begins the column of a declared sensitive trait; no feature's name does


def monotone(model: str) -> tuple[tuple[str, int], ...]:
    """Return the features in which this model may only rise (1) or fall (-1)."""
    return tuple(
        (feature.name, feature.monotone[model]) for feature in FEATURES if model in feature.monotone
    )
