"""The two kinds of label, classes and amounts: all that differs between their models.

Everything else, from the split to the reasons in words, is the same for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml import amount_checks, class_checks
from ml.amount_drift import amount_drift
from ml.amounts import LEAST, deviances, evaluate_amounts
from ml.baselines import base_rate, logistic_rfm
from ml.calibrate import Calibration, calibrate
from ml.checks import Candidate, Check, Ranking
from ml.drift import Outcome, label_drift
from ml.evaluate import evaluate
from ml.labels import Kind as Name
from ml.labels import Label
from ml.lifetime_value import SUMMARY, expected_revenue
from ml.promote import LOG_LOSS, Metrics, Yardstick
from ml.slices import AmountSlice, Slice, amount_slices, slices
from ml.train import AMOUNTS, TWEEDIE_POWER, Params, Sample

Floats = NDArray[np.float64]
LOGISTIC, BASE_RATE = "logistic regression on RFM", "base rate"
CLASSIC, AS_BEFORE, MEAN = "BG/NBD + Gamma-Gamma", "revenue of the 90 days before", "mean"
MOST = 1e12  # of a predicted amount, so that no exponential overflows


class Kind(Protocol):
    """What a kind of label brings to training, judging and telling.

    Attributes:
        history: the columns of ``analytics.customer_repeat_summary`` that its baselines read.
        ranking: how its models rank, and what the checks accept.
        yardstick: what a challenger and a champion are compared by.
        margin: what margins and SHAP values are in, in words.
        prediction: what is predicted, in a word.
        measures: what its metrics are called, those that are shown first to a person.
        nothing: the baseline that knows nothing.
    """

    history: tuple[str, ...]
    ranking: Ranking
    yardstick: Yardstick
    margin: str
    prediction: str
    measures: Mapping[str, str]
    nothing: str

    def params(self, params: Params, labels: Floats) -> Params:
        """Return the parameters with the kind's objective; labels are those to be fitted."""

    def calibrate(self, margins: Floats, labels: Floats, params: Params) -> Calibration:
        """Return what turns margins into predictions, from rows that the trees have not seen."""

    def predictions(self, calibration: Calibration, margins: Floats) -> Floats:
        """Return float[n] predictions of margins float[n]."""

    def evaluate(self, labels: Floats, predictions: Floats) -> Metrics:
        """Measure predictions; raise TooFewRows where nothing can be said."""

    def baselines(
        self,
        fitted: Sample,
        holdout: Sample,
        *,
        known: pd.DataFrame,
        asked: pd.DataFrame,
        horizon: timedelta,
    ) -> dict[str, Floats]:
        """Return float[n] predictions for the holdout, by the name of who makes them.

        Args:
            fitted: what the model is fitted on.
            holdout: n rows.
            known: of the newest fitted snapshot, the columns that are not learnt from.
            asked: of the holdout's rows, the same.
            horizon: how far the label looks.
        """

    def slices(
        self, holdout: Sample, factors: pd.DataFrame, predictions: Floats
    ) -> Sequence[Slice | AmountSlice]:
        """Measure the model on parts of the holdout."""

    def checks(self, candidate: Candidate) -> list[Check]:
        """Return all that has to hold before a model may be promoted."""

    def line(self, metrics: Mapping[str, float]) -> str:
        """Return the metrics that matter most in one line."""

    def full_line(self, metrics: Mapping[str, float]) -> str:
        """Return more of them, beside what knows nothing."""

    def outcome(self, labels: Floats, predictions: Floats) -> Outcome:
        """Compare what happened with what was predicted before; raise TooFewRows."""

    def told_outcome(self, outcome: Mapping[str, Any]) -> str:
        """Say what `outcome` found, from its fields, ``as_of`` among them."""

    def told(self, prediction: float) -> str:
        """Return a prediction as a person writes it."""

    def margin_of(self, prediction: float) -> float:
        """Return the margin of a prediction that no trees have made."""

    def of_segment(self, happened: float, customers: int, whom: str) -> tuple[float, str]:
        """Return the base rate of customers alike, and what it rests on, in words.

        Args:
            happened: of how many the label is true, or what they brought in.
            customers: how many there are.
            whom: who they are, and when, in words.
        """

    def predicts(self, label: Label) -> str:
        """Say what a prediction is, as the beginning of a sentence."""

    def quality(self, metrics: Mapping[str, Mapping[str, float]]) -> str:
        """Say how good a model is beside its baselines, in plain words."""


class Classes:
    """Yes or no: margins are log-odds, predictions probabilities."""

    history: tuple[str, ...] = ()
    ranking = class_checks.AUC
    yardstick = LOG_LOSS
    margin = "log-odds"
    prediction = "probability"
    measures: Mapping[str, str] = MappingProxyType(
        {
            "auc": "AUC",
            "average_precision": "average precision",
            "log_loss": "log loss",
            "base_rate_log_loss": "log loss of the base rate",
            "ece_equal_count": "calibration error",
            "rows": "customers",
        }
    )
    nothing = BASE_RATE

    def params(self, params: Params, labels: Floats) -> Params:
        """Return them as they are."""
        return params

    def calibrate(self, margins: Floats, labels: Floats, params: Params) -> Calibration:
        """Return Platt's two numbers where they are needed."""
        return calibrate(margins, labels)

    def predictions(self, calibration: Calibration, margins: Floats) -> Floats:
        """Return probabilities."""
        return calibration.probabilities(margins)

    def evaluate(self, labels: Floats, predictions: Floats) -> Metrics:
        """Measure probabilities."""
        return evaluate(labels, predictions)

    def baselines(
        self,
        fitted: Sample,
        holdout: Sample,
        *,
        known: pd.DataFrame,
        asked: pd.DataFrame,
        horizon: timedelta,
    ) -> dict[str, Floats]:
        """Return a logistic regression on recency, frequency and money, and the base rate."""
        return {
            LOGISTIC: logistic_rfm(fitted, holdout.values),
            BASE_RATE: base_rate(fitted, len(holdout.labels)),
        }

    def slices(
        self, holdout: Sample, factors: pd.DataFrame, predictions: Floats
    ) -> Sequence[Slice | AmountSlice]:
        """Measure calibration and ranking."""
        return slices(holdout, factors, predictions)

    def checks(self, candidate: Candidate) -> list[Check]:
        """Return those of probabilities."""
        return class_checks.run_checks(candidate)

    def line(self, metrics: Mapping[str, float]) -> str:
        """Return AUC, average precision and log loss."""
        return (
            f"AUC {metrics['auc']:.3f}, average precision {metrics['average_precision']:.3f}, "
            f"log loss {metrics['log_loss']:.4f}"
        )

    def full_line(self, metrics: Mapping[str, float]) -> str:
        """Return these, the base rate's log loss and the calibration error."""
        return (
            f"{self.line(metrics)} (base rate {metrics['base_rate_log_loss']:.4f}), calibration "
            f"error {metrics['ece_equal_count']:.3f}"
        )

    def outcome(self, labels: Floats, predictions: Floats) -> Outcome:
        """Compare counts."""
        return label_drift(labels, predictions)

    def told_outcome(self, outcome: Mapping[str, Any]) -> str:
        """Say how many were expected and came."""
        ranks = "" if outcome["auc"] is None else f", AUC {outcome['auc']:.3f}"
        return (
            f"of {outcome['rows']:,} customers of {outcome['as_of'][:10]} "
            f"{outcome['predicted']:.1%} were expected, {outcome['observed']:.1%} came{ranks}"
        )

    def margin_of(self, prediction: float) -> float:
        """Return log-odds."""
        return float(np.log(prediction / (1.0 - prediction)))

    def of_segment(self, happened: float, customers: int, whom: str) -> tuple[float, str]:
        """Return the share, half a customer added each way."""
        rate = (happened + 0.5) / (customers + 1.0)
        return rate, f"{happened:,.0f} of {customers:,} customers {whom}"

    def told(self, prediction: float) -> str:
        """Return percent."""
        return f"{prediction:.1%}"

    def predicts(self, label: Label) -> str:
        """Name a probability."""
        return f"The probability that a customer {label.question}"

    def quality(self, metrics: Mapping[str, Mapping[str, float]]) -> str:
        """Say ranking, calibration and lift."""
        model = metrics["model"]
        beside = ", ".join(
            f"{100 * own['auc']:.0f} by {name}" for name, own in metrics.items() if name != "model"
        )
        return (
            "Of 100 pairs of a customer who did so and one who did not, it ranks "
            f"{100 * model['auc']:.0f} in the right order ({beside}). Its probabilities are off by "
            f"{100 * model['ece_equal_count']:.1f} percentage points on average, where "
            f"{100 * model['base_rate']:.1f} % did so. The tenth of customers with the highest "
            f"probabilities holds {model['lift_top_decile']:.1f} times its share. Measured on "
            f"{model['rows']:,} customers of a week that it has not learnt from."
        )


class Amounts:
    """Money: margins are logarithms of amounts in the labels' own mean, predictions amounts."""

    history: tuple[str, ...] = SUMMARY
    ranking = amount_checks.GINI
    yardstick = Yardstick(deviances, "deviance", "Tweedie deviance", "gini", "Gini", 0.005)
    margin = "log amount"
    prediction = "amount"
    measures: Mapping[str, str] = MappingProxyType(
        {
            "gini": "Gini",
            "deviance": "Tweedie deviance",
            "d2": "D²",
            "mae": "mean absolute error",
            "bias": "predicted over observed",
            "decile_error": "error of a tenth",
            "rows": "customers",
        }
    )
    nothing = MEAN

    def params(self, params: Params, labels: Floats) -> Params:
        """Return them for a Tweedie law, in units of the labels' mean."""
        return replace(
            params,
            objective=AMOUNTS,
            metric=f"tweedie-nloglik@{TWEEDIE_POWER:g}",
            unit=float(labels.mean()) or 1.0,
        )

    def calibrate(self, margins: Floats, labels: Floats, params: Params) -> Calibration:
        """Return what makes money of the unit, and leaves the rest alone."""
        return Calibration(slope=1.0, intercept=float(np.log(params.unit)))

    def predictions(self, calibration: Calibration, margins: Floats) -> Floats:
        """Return money."""
        logarithms = calibration.slope * margins + calibration.intercept
        return np.asarray(np.exp(np.minimum(logarithms, np.log(MOST))))

    def evaluate(self, labels: Floats, predictions: Floats) -> Metrics:
        """Measure amounts."""
        return evaluate_amounts(labels, predictions)

    def baselines(
        self,
        fitted: Sample,
        holdout: Sample,
        *,
        known: pd.DataFrame,
        asked: pd.DataFrame,
        horizon: timedelta,
    ) -> dict[str, Floats]:
        """Return BG/NBD and Gamma-Gamma, where they converge, what was spent before, the mean."""
        before = holdout.values[:, holdout.names.index("net_revenue_90d")]
        found = {
            AS_BEFORE: np.maximum(before * (horizon / timedelta(days=90)), 0.0),
            MEAN: base_rate(fitted, len(holdout.labels)),
        }
        classic = expected_revenue(known, asked, days=horizon.days)
        return found if classic is None else {CLASSIC: classic, **found}

    def slices(
        self, holdout: Sample, factors: pd.DataFrame, predictions: Floats
    ) -> Sequence[Slice | AmountSlice]:
        """Measure the sums."""
        return amount_slices(holdout, factors, predictions)

    def checks(self, candidate: Candidate) -> list[Check]:
        """Return those of amounts."""
        return amount_checks.run_checks(candidate)

    def line(self, metrics: Mapping[str, float]) -> str:
        """Return order, size and sum."""
        return (
            f"Gini {metrics['gini']:.3f}, D² {metrics['d2']:.3f}, mean absolute error "
            f"{metrics['mae']:.2f} of {metrics['mean_observed']:.2f} on average, sum "
            f"{metrics['bias']:.3f} of what came in"
        )

    def full_line(self, metrics: Mapping[str, float]) -> str:
        """Return these and the lift."""
        return f"{self.line(metrics)}, lift of the top tenth {metrics['lift_top_decile']:.2f}"

    def outcome(self, labels: Floats, predictions: Floats) -> Outcome:
        """Compare sums."""
        return amount_drift(labels, predictions)

    def told_outcome(self, outcome: Mapping[str, Any]) -> str:
        """Say what was expected and came in."""
        ranks = "" if outcome["gini"] is None else f", Gini {outcome['gini']:.3f}"
        return (
            f"of {outcome['rows']:,} customers of {outcome['as_of'][:10]} "
            f"{outcome['predicted']:,.2f} each was expected, {outcome['observed']:,.2f} came in"
            f"{ranks}"
        )

    def margin_of(self, prediction: float) -> float:
        """Return the logarithm."""
        return float(np.log(prediction))

    def of_segment(self, happened: float, customers: int, whom: str) -> tuple[float, str]:
        """Return the mean, a cent at least."""
        mean = max(happened / customers, LEAST) if customers else LEAST
        return mean, f"{mean:,.2f} each of {customers:,} customers {whom}"

    def told(self, prediction: float) -> str:
        """Return money, without its currency."""
        return f"{prediction:,.2f}"

    def predicts(self, label: Label) -> str:
        """Name an amount."""
        return f"The amount, in the shop's currency, that a customer {label.question}"

    def quality(self, metrics: Mapping[str, Mapping[str, float]]) -> str:
        """Say error, sum, order and lift."""
        model = metrics["model"]
        errors, orders = (
            ", ".join(
                f"{own[key]:,.2f} by {name}" for name, own in metrics.items() if name != "model"
            )
            for key in ("mae", "gini")
        )
        return (
            f"A customer brings in {model['mean_observed']:,.2f} on average; it is off by "
            f"{model['mae']:,.2f} on average ({errors}). All its amounts sum to "
            f"{100 * model['bias']:.0f} % of what came in. It orders customers with a Gini of "
            f"{model['gini']:.2f}, where 1 is perfect ({orders}). The tenth of customers with the "
            f"highest amounts brings in {model['lift_top_decile']:.1f} times its share. Measured "
            f"on {model['rows']:,} customers of a week that it has not learnt from."
        )


KINDS: Mapping[Name, Kind] = {"class": Classes(), "amount": Amounts()}


def kind_of(label: Label) -> Kind:
    """Return the kind of a label."""
    return KINDS[label.kind]
