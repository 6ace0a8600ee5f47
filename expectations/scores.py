"""The third door: one score set, before it is published.

Two frames are judged: the **rows**, one per customer and model, and the **models**, one row per
model of the set.
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

ADDITIVITY = 1e-4  # base value + SHAP values against the margin
LOWEST_MEAN, HIGHEST_MEAN = 0.0005, 0.9995  # a mean probability beyond is no forecast
ODD_MEAN = 0.95
LEAST_AMOUNT = 0.01  # of a mean: a shop whose customers bring in nothing needs no forecast
ROWS_PER_VALUE, ENOUGH_VALUES = 10, 5  # one distinct prediction per so many rows, at most so many
MEAN_PERCENTILE = 50.0
NO_SHIFT = frozenset({"steady", "moved"})  # of what is said of drift
PERCENTILE_TOLERANCE = 15.0

ROW_COLUMNS = (
    "model_id",
    "customer_id",
    "probability",
    "amount",
    "predictions",
    "percentile",
    "additivity_error",
    "contributions_missing",
    "reason_count",
    "features_sha256",
    "lifetime_seconds",
    "days_from_set",
)
MODEL_COLUMNS = (
    "model_id",
    "name",
    "score_rows",
    "mean_probability",
    "mean_amount",
    "mean_percentile",
    "distinct_predictions",
    "fallback_rows",
    "drift",
    "missing_records",
    "unscored_champions",
)


def rows_suite() -> Suite:
    """Return what every score must say."""
    return Suite(
        "scores",
        (
            has_rows(),
            columns_are(*ROW_COLUMNS),
            not_null("customer_id"),
            not_null("model_id"),
            unique("model_id", "customer_id"),
            between("predictions", 1, 1),
            between("probability", 0.0, 1.0, may_be_empty=True),
            between("amount", 0.0, may_be_empty=True),
            not_null("percentile"),
            between("percentile", 0.0, 100.0),
            not_null("additivity_error"),
            between("additivity_error", 0.0, ADDITIVITY),
            between("contributions_missing", 0, 0),
            between("reason_count", 1, severity="warn"),
            not_null("features_sha256"),
            matches("features_sha256", "^[0-9a-f]{64}$"),
            between("lifetime_seconds", 1.0),
            between("days_from_set", 0.0, 0.0),
        ),
    )


def judged_models(models: "pd.DataFrame", amounts: Collection[str]) -> "pd.DataFrame":
    """Add the shortfall of distinct predictions, and which models predict what they should not.

    Args:
        models: ``MODEL_COLUMNS``, one row per model of the set.
        amounts: the models that predict an amount; the others predict a probability.

    Returns:
        The frame with ``values_missing``: by how many the distinct predictions fall short of one
        per ten rows, or of five when there are more rows. Base rates do not count: they are few.
        And ``is_of_other_kind``: 1 where a model gave an amount for a probability, or none.
    """
    own = models.score_rows - models.fallback_rows
    wanted = (own // ROWS_PER_VALUE).clip(upper=ENOUGH_VALUES)
    gave_amounts = models.mean_amount.notna()
    return models.assign(
        values_missing=(wanted - models.distinct_predictions).clip(lower=0),
        is_of_other_kind=(models.name.isin(list(amounts)) != gave_amounts).astype(int),
    )


def models_suite(names: Collection[str], *, drift_stops: bool) -> Suite:
    """Return what each model's scores must say together; for ``judged_models``.

    Args:
        names: the models that there are.
        drift_stops: whether a model that has shifted, or whose drift is not known, stops; else it
            is a warning.
    """
    return Suite(
        "the set's models",
        (
            has_rows(),
            columns_are(*MODEL_COLUMNS, "values_missing", "is_of_other_kind"),
            not_null("name"),
            one_of("name", names),
            unique("name"),
            between("score_rows", 1),
            between("is_of_other_kind", 0, 0),
            between("mean_probability", LOWEST_MEAN, HIGHEST_MEAN, may_be_empty=True),
            between("mean_probability", 1 - ODD_MEAN, ODD_MEAN, severity="warn", may_be_empty=True),
            between("mean_amount", LEAST_AMOUNT, may_be_empty=True),
            between(
                "mean_percentile",
                MEAN_PERCENTILE - PERCENTILE_TOLERANCE,
                MEAN_PERCENTILE + PERCENTILE_TOLERANCE,
                severity="warn",
            ),
            between("values_missing", 0, 0),
            mean_between("missing_records", 0, 0),
            mean_between("unscored_champions", 0, 0, severity="warn"),
            between("fallback_rows", 0, 0, severity="warn"),
            not_null("drift"),
            one_of("drift", NO_SHIFT, severity="stop" if drift_stops else "warn"),
        ),
        named_by="name",
    )
