"""What a model of amounts has to beat: BG/NBD and Gamma-Gamma, the classical lifetime value.

How often a customer buys, until they leave for good: Fader, Hardie, Lee, "Counting your customers
the easy way: an alternative to the Pareto/NBD model" (2005). For how much: Fader, Hardie, "The
gamma-gamma model of monetary value" (2013). Both know four numbers of a customer, as
``analytics.customer_repeat_summary`` has them, and no label. Fitted by the library lifetimes.
"""

import io
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import hyp2f1

SUMMARY = ("repeat_days", "recency_days", "age_days", "mean_repeat_value")
PENALTIES = (0.001, 0.01, 0.1)  # of lifetimes' likelihoods: the next, where one does not converge


def expected_revenue(
    known: pd.DataFrame, asked: pd.DataFrame, *, days: int
) -> NDArray[np.float64] | None:
    """Return float64[n], what customers are expected to bring in within the next days.

    Args:
        known: the columns of `SUMMARY`, of the customers to fit to; one row each.
        asked: the same, of the n customers who are asked about.
        days: how far to look.

    Returns:
        The expected number of days with an order times the expected worth of one; None where the
        library finds no parameters.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints what it minds
        warnings.simplefilter("ignore")
        import lifetimes
        from lifetimes.utils import ConvergenceError

        back = known[(known["repeat_days"] > 0) & (known["mean_repeat_value"] > 0)]
        try:
            purchases = _fitted(
                lifetimes.BetaGeoFitter,
                ConvergenceError,
                *(known[name] for name in ("repeat_days", "recency_days", "age_days")),
            )
            worth = _fitted(
                lifetimes.GammaGammaFitter,
                ConvergenceError,
                *(back[name] for name in ("repeat_days", "mean_repeat_value")),
            )
        except ConvergenceError:
            return None
        repeats, recency, age, mean = (asked[name].to_numpy(dtype=np.float64) for name in SUMMARY)
        often = purchases.conditional_expected_number_of_purchases_up_to_time(
            float(days), repeats, recency, age
        )
        much = worth.conditional_expected_average_profit(
            np.where(mean > 0.0, repeats, 0.0), np.maximum(mean, 0.0)
        )
        often = np.where(
            repeats > 0.0, often, _of_first_timers(purchases.params_, age, float(days))
        )
    return np.asarray(often, dtype=np.float64) * np.asarray(much, dtype=np.float64)


def _of_first_timers(
    fitted: Mapping[str, float], age: NDArray[np.float64], days: float
) -> NDArray[np.float64]:
    """Return float64[n], the purchases expected of who never came back: equation 10 with x = 0.

    The library takes its logarithm, which does not exist where a + b < 1 (lifetimes issue 442).
    """
    r, alpha, a, b = (float(fitted[name]) for name in ("r", "alpha", "a", "b"))
    left = ((alpha + age) / (alpha + age + days)) ** r
    left = left * hyp2f1(r, b, a + b - 1.0, days / (alpha + age + days))
    return np.asarray((a + b - 1.0) / (a - 1.0) * (1.0 - left))


def _fitted(fitter: Any, refused: type[Exception], *columns: "pd.Series[float]") -> Any:
    """Fit with the first penalty that converges.

    Raises:
        ConvergenceError: none does.
    """
    *others, last = PENALTIES
    for penalty in others:
        with suppress(refused):
            return fitter(penalizer_coef=penalty).fit(*columns)
    return fitter(penalizer_coef=last).fit(*columns)
