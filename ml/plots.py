"""The pictures of an audit report, as inline SVG or PNG text, the same bytes each time.

Colours are Okabe and Ito's, which people with any colour vision can tell apart; lines differ in
dash too.
"""

import base64
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from ml.evaluate import Bin

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREY, ":"))
SMALL = (4.6, 3.8)
SHOWN_FEATURES = 15
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "footfall",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
}

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def roc(labels: NDArray[np.float64], named: Mapping[str, NDArray[np.float64]]) -> str:
    """Draw true against false positive rates, one line per named float[n] of probabilities."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes("False positive rate", "True positive rate")
        for (name, scores), (colour, dash) in zip(named.items(), STYLES, strict=False):
            wrong, right, _ = roc_curve(labels, scores)
            axes.plot(wrong, right, dash, color=colour, label=name)
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="chance")
        axes.legend(loc="lower right", frameon=False)
        return _svg(figure)


def precision_recall(labels: NDArray[np.float64], named: Mapping[str, NDArray[np.float64]]) -> str:
    """Draw precision against recall, one line per named float[n] of probabilities."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Recall", "Precision")
        for (name, scores), (colour, dash) in zip(named.items(), STYLES, strict=False):
            precision, recall, _ = precision_recall_curve(labels, scores)
            axes.plot(recall[:-1], precision[:-1], dash, color=colour, label=name)
        axes.axhline(labels.mean(), linestyle=":", color=GREY, label="base rate")
        axes.set_ylim(0, 1.02)
        axes.legend(loc="upper right", frameon=False)
        return _svg(figure)


def reliability(
    bins: Sequence[Bin],
    *,
    predicted: str = "Predicted probability",
    observed: str = "Observed share",
) -> str:
    """Draw what happened against what was predicted, one dot per bin of equally many rows."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(predicted, observed)
        top = max(max(part.predicted, part.observed) for part in bins) * 1.08
        axes.plot([0, top], [0, top], ":", color=GREY, label="perfect")
        axes.plot(
            [part.predicted for part in bins],
            [part.observed for part in bins],
            "o-",
            color=BLUE,
            label="model",
        )
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.legend(loc="upper left", frameon=False)
        return _svg(figure)


def gains(
    labels: NDArray[np.float64], probabilities: NDArray[np.float64], *, of: str = "positives"
) -> str:
    """Draw the share of labels found among the highest-scored share of customers."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes("Share of customers, highest scores first", f"Share of {of} found")
        found = _found(labels, probabilities)
        share = np.arange(1, len(labels) + 1) / len(labels)
        axes.plot(np.insert(share, 0, 0), np.insert(found, 0, 0), color=BLUE, label="model")
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="at random")
        axes.legend(loc="lower right", frameon=False)
        return _svg(figure)


def found_among(
    labels: NDArray[np.float64], probabilities: NDArray[np.float64], shares: Sequence[float]
) -> list[float]:
    """Return the share of positives found among each share of the highest-scored customers."""
    found = _found(labels, probabilities)
    return [float(found[max(0, round(len(found) * share) - 1)]) for share in shares]


def _found(labels: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(-probabilities, kind="stable")
    return np.asarray(np.cumsum(labels[order]) / labels.sum())


def importance(
    shap_values: NDArray[np.float64], names: Sequence[str], *, margin: str = "log-odds"
) -> str:
    """Draw the mean absolute SHAP value of the strongest features; margin is its unit."""
    with mpl.rc_context(STYLE):
        mean = np.abs(shap_values).mean(axis=0)
        order = np.argsort(-mean, kind="stable")[:SHOWN_FEATURES][::-1]
        order = order[mean[order] > 0.0]
        figure = Figure(figsize=(9.2, 4.6), layout="constrained")
        axes = figure.subplots()
        axes.barh([names[index] for index in order], mean[order], color=BLUE)
        axes.set_xlabel(f"Mean absolute SHAP value ({margin})")
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def beeswarm(
    shap_values: NDArray[np.float64],
    values: NDArray[np.float64],
    names: Sequence[str],
    *,
    margin: str = "log-odds",
) -> str:
    """Draw every customer's SHAP values of the strongest features, by shap.plots.beeswarm.

    Args:
        shap_values: float[n, k], in the unit of the margin.
        values: float[n, k], the features; NaN = missing.
        names: the k features.
        margin: its unit.
    """
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    shap = import_shap()
    explained = shap.Explanation(
        shap_values, data=values, feature_names=[str(name) for name in names]
    )
    with mpl.rc_context({**STYLE, "axes.grid": False}), _seeded():
        figure, axes = pyplot.subplots(figsize=(9.2, 6.4), layout="constrained")
        shap.plots.beeswarm(
            explained,
            max_display=min(SHOWN_FEATURES, int(shap_values.any(axis=0).sum())) + 1,
            color=mpl.colormaps["cividis"],
            ax=axes,
            plot_size=None,
            show=False,
        )
        axes.set_xlabel(f"SHAP value ({margin} added to the margin)")
        picture = _png(figure)
        pyplot.close(figure)
    return picture


def dependence(
    values: NDArray[np.float64],
    parts: NDArray[np.float64],
    name: str,
    *,
    colour: NDArray[np.float64] | None = None,
    colour_name: str = "",
    margin: str = "log-odds",
) -> str:
    """Draw what a feature adds against its value, one dot per customer, and the trend.

    Args:
        values: float[n], the feature; NaN = missing, not drawn.
        parts: float[n], of the margin: its SHAP values, or its joint part with another feature.
        name: of the feature.
        colour: float[n], another feature's values; None = one colour and a line through the means
            of tenths.
        colour_name: of that feature.
        margin: its unit.
    """
    present = ~np.isnan(values)
    x, y = values[present], parts[present]
    with mpl.rc_context(STYLE):
        figure, axes = _axes(name, f"{margin.capitalize()} added")
        axes.axhline(0.0, color=GREY, linewidth=0.8)
        if colour is None:
            axes.plot(x, y, "o", color=BLUE, markersize=3, alpha=0.35, markeredgewidth=0)
            axes.plot(*trend(x, y), "-", color=ORANGE, linewidth=2, label="mean of a tenth")
            axes.legend(loc="best", frameon=False)
        else:
            shown = colour[present]
            low, high = np.nanquantile(shown, [0.05, 0.95])
            dots = axes.scatter(
                x, y, c=shown, cmap="cividis", s=12, vmin=low, vmax=max(high, low + 1e-9)
            )
            figure.colorbar(dots, ax=axes, label=colour_name)
        low, high = np.quantile(x, [0.0, 0.99]) if len(x) else (0.0, 1.0)
        axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low) + 1e-9)
        return _png(figure)


def trend(
    values: NDArray[np.float64], parts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of value and part of ten groups of equally many customers, by value.

    Args:
        values: float[n]. No NaN.
        parts: float[n].
    """
    order = np.argsort(values, kind="stable")
    tenths = [tenth for tenth in np.array_split(order, 10) if len(tenth)]
    return (
        np.array([values[tenth].mean() for tenth in tenths]),
        np.array([parts[tenth].mean() for tenth in tenths]),
    )


def import_shap() -> Any:
    """Import it without the deprecation warnings that its own plots set off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        import shap
    return shap


@contextmanager
def _seeded() -> Iterator[None]:
    """Have shap's jitter, drawn from NumPy's global state, be the same each time."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def _axes(x: str, y: str) -> tuple[Figure, "mpl.axes.Axes"]:
    figure = Figure(figsize=SMALL, layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()


def _png(figure: Figure) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
