"""The second door: features, before a model trains on them or scores them.

A feature's name says what may stand in it, so that a new feature is guarded without a new rule:

========================  =======================================  =======
name                      values                                   null
========================  =======================================  =======
``<thing>_count_<n>d``    0 or more; not fewer in a longer window  never
``cart_adds_…``           0 or more                                never
``<money>_<n>d``          finite; below 0 is worth a warning       never
``…_value…``              finite; below 0 is worth a warning       allowed
``days_since_…``, ``…_days``, ``…_trend``, ``recency_to_…``, ``mean_…``  0 or more  allowed
``…_share…``              0 to 1                                   allowed
anything else             finite                                   allowed
========================  =======================================  =======
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from expectations.suite import (
    Expectation,
    Suite,
    between,
    columns_are,
    has_rows,
    mean_between,
    never_below,
    not_null,
    unique,
)

if TYPE_CHECKING:
    import pandas as pd

KEY = ("customer_id", "as_of")
FINITE = 1e12
ROUNDING = 1e-9
NULLS_TO_MENTION = 0.75  # mean share of a customer's features that are null
NULLS_TO_STOP = 0.95
FEWEST_DISTINCT = 0.01  # share of the rows; a broken join gives everyone the same features

_COUNT = re.compile(r"^(?P<thing>\w+_count)_(?P<days>\d+)d$")
_NEVER_NULL = re.compile(r"^(\w+_count_\d+d|\w*revenue_\d+d|cart_adds_\w+)$")
_NOT_NEGATIVE = re.compile(
    r"^(\w+_count_\d+d|cart_adds_\w+|days_since_\w+|\w+_days|order_count_trend|recency_to_\w+"
    r"|mean_\w+_per_order\w*)$"
)
_MONEY = re.compile(r"^(\w*revenue_\d+d|\w*_order_value\w*)$")


def judged_features(frame: "pd.DataFrame", columns: Sequence[str]) -> "pd.DataFrame":
    """Add what the suite looks at across the columns of one row.

    Args:
        frame: ``customer_id``, ``as_of`` and the features, as floats; NaN = null.
        columns: the features' names.

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


def features_suite(columns: Sequence[str]) -> Suite:
    """Return what the features must say; for ``judged_features``.

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
            *(rule for column in columns for rule in _rules(column)),
            *_windows_nest(columns),
        ),
    )


def _rules(column: str) -> Iterator[Expectation]:
    may_be_empty = not _NEVER_NULL.match(column)
    if not may_be_empty:
        yield not_null(column)
    low, high = -FINITE, FINITE
    if "_share" in column:
        low, high = -ROUNDING, 1 + ROUNDING
    elif _NOT_NEGATIVE.match(column):
        low = 0.0
    yield between(column, low, high, may_be_empty=may_be_empty)
    if _MONEY.match(column):
        yield between(column, 0.0, FINITE, severity="warn", may_be_empty=may_be_empty)


def _windows_nest(columns: Sequence[str]) -> Iterator[Expectation]:
    """Expect no count to be smaller in a longer window."""
    windows: dict[str, list[int]] = defaultdict(list)
    for column in columns:
        if found := _COUNT.match(column):
            windows[found["thing"]].append(int(found["days"]))
    for thing, days in windows.items():
        for shorter, longer in pairwise(sorted(days)):
            yield never_below(f"{thing}_{longer}d", f"{thing}_{shorter}d")
