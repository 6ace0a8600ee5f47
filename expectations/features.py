"""The second door: features, before a model trains on them or scores them.

Two frames are judged: the rows (one per customer and instant), and the columns (one per feature,
with the number of rows that break each rule), so that a hundred features need no more rules than
ten. A feature's name says what may stand in it, so that a new one is guarded without a new rule:

==============================================  ======================================  =======
name                                            values                                  null
==============================================  ======================================  =======
``<thing>_count_<n>d``                          0 or more; not fewer in a longer window  never
``lifetime_…_count``, ``device_count``,
``cart_adds_…``, ``open_…_value``,
``days_since_first_seen``                       0 or more                               never
``<money>_<n>d``, ``lifetime_net_revenue``      finite; below 0 is worth a warning      never
``…_order_value…``                              finite; below 0 is worth a warning      allowed
``funnel_depth_…``                              0 or more                               never
``…_share…``                                    0 to 1                                  allowed
``days_since_…``, ``…_days``, ``…_trend``,
``recency_to_…``, ``…_per_…``, ``…_minutes…``,
``…_entropy…``, ``…_depth``                     0 or more                               allowed
anything else                                   finite                                  allowed
==============================================  ======================================  =======
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from expectations.suite import (
    Expectation,
    Suite,
    between,
    columns_are,
    has_rows,
    mean_between,
    not_null,
    unique,
)

if TYPE_CHECKING:
    import pandas as pd

KEY = ("customer_id", "as_of")
FINITE = 1e12
AGE = "days_since_"  # below 0: what it tells of has not happened yet
ROUNDING = 1e-9
NULLS_TO_MENTION = 0.75  # mean share of a customer's features that are null
NULLS_TO_STOP = 0.95
FEWEST_DISTINCT = 0.01  # share of the rows; a broken join gives everyone the same features

_COUNT = re.compile(r"^(?P<thing>\w+_count)_(?P<days>\d+)d$")
_NEVER_NULL = re.compile(
    r"^(\w+_count_\d+d|lifetime_\w+|device_count|cart_adds_\w+|\w*revenue_\d+d|open_\w+_value"
    r"|days_since_first_seen|funnel_depth_\w+)$"
)
_NOT_NEGATIVE = re.compile(
    r"^(\w+_count_\d+d|lifetime_\w+_count|device_count|cart_adds_\w+|open_\w+_value|days_since_\w+"
    r"|\w+_days|order_count_trend|recency_to_\w+|\w+_per_\w+|\w+_minutes\w*|\w+_(?:entropy|depth)\w*)$"
)
_MONEY = re.compile(r"^(\w*revenue_\d+d|lifetime_net_revenue|\w*_order_value\w*)$")


@dataclass(frozen=True)
class Rule:
    """What may stand in a feature's column."""

    low: float
    high: float
    may_be_null: bool
    is_money: bool


def rule_of(column: str) -> Rule:
    """Read a feature's rule off its name."""
    low, high = -FINITE, FINITE
    if "_share" in column:
        low, high = -ROUNDING, 1 + ROUNDING
    elif _NOT_NEGATIVE.match(column):
        low = 0.0
    return Rule(low, high, not _NEVER_NULL.match(column), bool(_MONEY.match(column)))


Judged = tuple["pd.DataFrame", Suite]


def judged(frame: "pd.DataFrame", columns: Sequence[str]) -> tuple[Judged, Judged]:
    """Return the two frames to judge, each with its suite.

    Args:
        frame: ``customer_id``, ``as_of`` and the features, as floats; NaN = null.
        columns: the features' names, as the contract lists them.
    """
    return (
        (judged_rows(frame, columns), rows_suite(columns)),
        (judged_columns(frame, columns), columns_suite()),
    )


def judged_rows(frame: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """Add what the suite looks at across the columns of one row.

    Returns:
        The frame with ``null_share`` (0 to 1, of the row's features) and ``fingerprint`` (equal for
        equal feature values).
    """
    from pandas.util import hash_pandas_object

    features = frame[[name for name in columns if name in frame]]
    return frame.assign(
        null_share=features.isna().mean(axis=1),
        fingerprint=hash_pandas_object(features, index=False).astype("int64"),
    )


def rows_suite(columns: Sequence[str]) -> Suite:
    """Return what the rows must say; for ``judged_rows``.

    Args:
        columns: the features' names, as the contract lists them.
    """
    distinct = {"column": "fingerprint", "min_value": FEWEST_DISTINCT}
    return Suite(
        "features",
        (
            has_rows(),
            columns_are(*KEY, *columns, "null_share", "fingerprint"),
            not_null("customer_id"),
            not_null("as_of"),
            unique(*KEY),
            mean_between("null_share", 0, NULLS_TO_MENTION, severity="warn"),
            mean_between("null_share", 0, NULLS_TO_STOP),
            Expectation("expect_column_proportion_of_unique_values_to_be_between", distinct),
        ),
    )


def judged_columns(frame: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """Count, for each feature, the rows that break a rule.

    Returns:
        One row per feature that the frame has: ``feature``, and as counts of rows
        ``nulls_forbidden``, ``infinite``, ``later_than_as_of``, ``out_of_range``,
        ``negative_money`` and ``fewer_than_in_a_shorter_window``.
    """
    import numpy as np
    import pandas as pd

    shorter = _shorter_windows(columns)
    there = [column for column in columns if column in frame]
    values = {column: frame[column].to_numpy(dtype="float64") for column in there}
    counted = []
    for column, own in values.items():
        rule, infinite = rule_of(column), np.abs(own) > FINITE
        later = (own < rule.low) & ~infinite & column.startswith(AGE)
        outside = ((own < rule.low) | (own > rule.high)) & ~infinite & ~later
        fewer = own < values.get(shorter.get(column, column), own)
        counted.append(
            {
                "feature": column,
                "nulls_forbidden": 0 if rule.may_be_null else int(np.isnan(own).sum()),
                "infinite": int(infinite.sum()),
                "later_than_as_of": int(later.sum()),
                "out_of_range": int(outside.sum()),
                "negative_money": int((own < 0).sum()) if rule.is_money else 0,
                "fewer_than_in_a_shorter_window": int(fewer.sum()),
            }
        )
    return pd.DataFrame(counted)


def columns_suite() -> Suite:
    """Return what the columns must say; for ``judged_columns``."""
    return Suite(
        "feature columns",
        (
            has_rows(),
            unique("feature"),
            between("nulls_forbidden", 0, 0),
            between("infinite", 0, 0),
            between("later_than_as_of", 0, 0),
            between("out_of_range", 0, 0),
            between("negative_money", 0, 0, severity="warn"),
            between("fewer_than_in_a_shorter_window", 0, 0),
        ),
        named_by="feature",
    )


def _shorter_windows(columns: Sequence[str]) -> dict[str, str]:
    """Return, for each count, the same count in the next shorter window."""
    windows: dict[str, list[int]] = defaultdict(list)
    for column in columns:
        if found := _COUNT.match(column):
            windows[found["thing"]].append(int(found["days"]))
    return {
        f"{thing}_{longer}d": f"{thing}_{shorter}d"
        for thing, days in windows.items()
        for shorter, longer in pairwise(sorted(days))
    }
