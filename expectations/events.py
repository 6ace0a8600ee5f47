"""The first door: stored events that no build has taken in yet.

Two frames are judged. The **ledger** has one row per load and counts every record of it. The
**rows** are the events themselves, or a sample of them. What is written here is what the loader
promises and dbt relies on; whether one record is malformed is the loader's business: a reject.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from expectations.suite import (
    Suite,
    between,
    columns_are,
    has_rows,
    matches,
    mean_between,
    not_null,
    one_of,
    unique,
)

if TYPE_CHECKING:
    import pandas as pd

REJECTS_TO_MENTION = 0.01  # share of a load's records
REJECTS_TO_STOP = 0.20
FEW_REJECTS = 10  # so few never stop a load, however small it is
SECONDS_AHEAD = 86_400  # an event may carry a time up to a day after it arrived
LARGEST_ORDER = 1e7
NEGATIVE_ORDERS_TO_STOP = 0.05

LEDGER_COLUMNS = (
    "load_id",
    "records_read",
    "stored",
    "duplicates",
    "rejected",
    "open_rejects",
    "erased_rows",
    "missing_rows",
    "consent_statements",
)
ROW_COLUMNS = (
    "message_id",
    "event_name",
    "customer_ref",
    "seconds_ahead",
    "order_value",
    "product_count",
)


def judged_ledger(ledger: "pd.DataFrame") -> "pd.DataFrame":
    """Add the shares that the ledger's suite looks at.

    Args:
        ledger: ``LEDGER_COLUMNS``, one row per load. ``open_rejects`` are the rejected records that
            were neither replayed since nor rejected for an erasure; ``erased_rows`` were stored and
            erased since; ``missing_rows`` are events counted as stored that are not there.

    Returns:
        The ledger with ``unexplained`` (records neither stored, duplicate nor rejected),
        ``reject_share`` (0 to 1, of each load), ``rejects_above_limit`` (of the load or, when
        larger, of all pending loads together) and ``consent_share`` (0 to 1: the share of all
        stored events that state a decision).
    """
    limit = (ledger.records_read * REJECTS_TO_STOP).clip(lower=FEW_REJECTS)
    overall_limit = max(ledger.records_read.sum() * REJECTS_TO_STOP, FEW_REJECTS)
    overall_excess = max(ledger.open_rejects.sum() - overall_limit, 0.0)
    stored = ledger.stored.sum()
    return ledger.assign(
        unexplained=ledger.records_read - ledger.stored - ledger.duplicates - ledger.rejected,
        reject_share=ledger.open_rejects / ledger.records_read.clip(lower=1),
        rejects_above_limit=(ledger.open_rejects - limit).clip(lower=overall_excess),
        consent_share=ledger.consent_statements.sum() / stored if stored else 1.0,
    )


def ledger_suite() -> Suite:
    """Return what the counts of the pending loads must say; for ``judged_ledger``."""
    return Suite(
        "the loads' ledger",
        (
            has_rows(),
            not_null("load_id"),
            unique("load_id"),
            between("records_read", 1),
            between("unexplained", 0, 0),
            between("missing_rows", 0, 0),
            between("reject_share", 0, REJECTS_TO_MENTION, severity="warn"),
            between("rejects_above_limit", 0, 0),
            mean_between("consent_share", 1e-9, 1, severity="warn"),
        ),
    )


def rows_suite(known_names: Collection[str]) -> Suite:
    """Return what the events themselves must say.

    Args:
        known_names: the canonical event names.
    """
    return Suite(
        "stored events",
        (
            has_rows(),
            columns_are(*ROW_COLUMNS),
            not_null("message_id"),
            unique("message_id"),
            not_null("event_name"),
            one_of("event_name", frozenset(known_names)),
            not_null("customer_ref"),
            matches("customer_ref", "^[ua]:."),
            not_null("seconds_ahead"),
            between("seconds_ahead", high=SECONDS_AHEAD),
            between(
                "order_value",
                0,
                LARGEST_ORDER,
                mostly=1 - NEGATIVE_ORDERS_TO_STOP,
                may_be_empty=True,
            ),
            between("order_value", 0, LARGEST_ORDER, severity="warn", may_be_empty=True),
            between("product_count", 1, mostly=0.9, severity="warn", may_be_empty=True),
        ),
    )
