"""The card of a model: what it is for, how it was judged, and where not to use it.

The nine sections of Mitchell et al., "Model cards for model reporting" (2019), made from the same
evidence as the audit report; as JSON, and as Markdown written from that JSON alone.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ml.evaluate import MINIMUM_OF_A_CLASS, MINIMUM_ROWS
from ml.evidence import Evidence, Lineage
from ml.slices import AMOUNT_GAP, CALIBRATION_GAP, ERRORS, RANKING_GAP
from ml.summary import summary

SECTIONS = (
    *("model_details", "intended_use", "factors", "metrics", "evaluation_data", "training_data"),
    *("quantitative_analyses", "ethical_considerations", "caveats_and_recommendations"),
)
SLICE_HEADS = {
    "class": ("slice", "customers", "base rate", "mean prediction", "AUC", "verdict"),
    "amount": ("slice", "customers", "mean observed", "mean prediction", "bias", "verdict"),
}
LEADING = 10  # features named on the card
SHOWN = {
    "class": (
        *("auc", "average_precision", "log_loss", "brier", "ece_equal_count", "lift_top_decile"),
    ),
    "amount": ("mae", "rmse", "gini", "spearman", "deviance", "d2", "bias", "lift_top_decile"),
}
TYPES = {
    "class": "gradient-boosted trees (XGBoost), probabilities calibrated where needed",
    "amount": "gradient-boosted trees (XGBoost) of a Tweedie law, amounts in the shop's currency",
}
MEASURES = {
    "class": "Ranking (AUC, average precision, lift), probabilities (log loss, Brier, "
    "calibration error), each beside the base rate and a logistic regression on RFM.",
    "amount": "Size (mean absolute and root mean squared error, Tweedie deviance, D²), order "
    "(normalised Gini, Spearman, lift), sum (predicted over observed, tenth by tenth), each beside "
    "BG/NBD with Gamma-Gamma, the revenue of the 90 days before, and the mean.",
}

USES = {
    "purchase": "Ordering what a storefront shows by how likely a visitor is to buy soon.",
    "churn": "Choosing whom to remind or to offer something before they stay away.",
    "value": "Choosing how much care and which budget a customer is worth; sums over many.",
}
LIMITS = {
    "class": {"calibration_gap": CALIBRATION_GAP, "ranking_gap": RANKING_GAP},
    "amount": {"bias": AMOUNT_GAP},
}
NOT_FOR = (
    "Decisions with legal or similarly significant effects on a person, such as credit, prices "
    "that only some are offered, employment or insurance.",
    "Saying what causes a customer to buy or to leave: contributions tell what the model used.",
    "Customers who do not allow profiling, and shops other than the one it has learnt from.",
)
ETHICS = (
    "It learns from behaviour in the shop only, of customers who allow profiling now; who "
    "withdraws or is erased leaves the next model and every score.",
    "Declared sensitive traits are never learnt from; they are only used to compare parts of the "
    "holdout. Features may stand in for a trait all the same: the slices show the effect.",
    "Report and card hold no customer's data; a slice of fewer than "
    f"{MINIMUM_ROWS} customers is not measured.",
)


def model_card(evidence: Evidence) -> dict[str, Any]:
    """Return the card, ready for JSON; the same evidence gives the same card."""
    label, split, told = evidence.label, evidence.split, summary(evidence)
    metrics = evidence.metrics()
    return {
        "model_details": {
            "model_id": evidence.model_id,
            "name": label.name,
            "sha256": evidence.sha256,
            "as_of": evidence.as_of.isoformat(),
            "type": TYPES[label.kind],
            "kind": label.kind,
            "parameters": dict(evidence.params),
            "calibration": asdict(evidence.calibration),
            "features": list(evidence.holdout.names),
        },
        "intended_use": {
            "predicts": told.predicts,
            "use": USES.get(label.name, f"Ordering customers by this {evidence.kind.prediction}."),
            "users": "The shop's storefront and its analysts.",
            "out_of_scope": list(NOT_FOR),
        },
        "factors": {
            "evaluated": list(dict.fromkeys(part.factor for part in evidence.slices)),
            "sensitive": sorted({part.factor for part in evidence.slices if part.sensitive}),
        },
        "metrics": {
            "measures": MEASURES[label.kind],
            "limits_of_a_slice": {
                **LIMITS[label.kind],
                "standard_errors": ERRORS,
                "least_rows": MINIMUM_ROWS,
                "least_of_a_class": MINIMUM_OF_A_CLASS,
            },
            "checks": [check.as_dict() for check in evidence.checks],
        },
        "evaluation_data": {
            "snapshot": split.holdout.isoformat(),
            "labels_until": label.known_at(split.holdout).isoformat(),
            "rows": len(evidence.holdout.labels),
            **_observed(metrics["model"].as_dict()),
            "population": label.population,
        },
        "training_data": _training_data(evidence),
        "quantitative_analyses": {
            "overall": {name: own.as_dict() for name, own in metrics.items()},
            "slices": [part.as_dict() for part in evidence.slices],
            "strongest_features": [
                {"feature": name, "mean_abs_shap": strength}
                for name, _, strength in evidence.ranked()[:LEADING]
            ],
            "strongest_interactions": [
                {"features": [pair.first, pair.second], "mean_abs_shap": pair.strength}
                for pair in evidence.interactions
            ],
        },
        "ethical_considerations": list(ETHICS),
        "caveats_and_recommendations": {
            "may_be_promoted": told.promotable,
            "verdict": told.verdict,
            "quality": told.quality,
            "worries": list(told.worries),
            "notes": list(told.notes),
        },
    }


def card_markdown(card: Mapping[str, Any]) -> str:
    """Return a card as Markdown."""
    details, use, data = card["model_details"], card["intended_use"], card["evaluation_data"]
    trained, measured = card["training_data"], card["quantitative_analyses"]
    advice, factors = card["caveats_and_recommendations"], card["factors"]
    lineage, kind = trained["lineage"], details.get("kind", "class")
    shown = SHOWN[kind]
    parts = [
        f"# Model card: {details['model_id']}",
        f"{use['predicts']} {advice['quality']}",
        f"**May it be promoted?** {advice['verdict']}",
        "## Model details",
        _list(
            f"Type: {details['type']}",
            f"Known as of: {details['as_of']}",
            f"SHA-256 of the artefact: `{details['sha256']}`",
            "Parameters: "
            + ", ".join(f"{key} {own}" for key, own in details["parameters"].items()),
            f"Calibration: slope {details['calibration']['slope']:.4f}, intercept "
            f"{details['calibration']['intercept']:.4f}",
            f"Features: {len(details['features'])}",
        ),
        "## Intended use",
        _list(use["use"], f"Users: {use['users']}"),
        "Not for:",
        _list(*use["out_of_scope"]),
        "## Factors",
        _list(
            f"Looked at: {', '.join(factors['evaluated'])}",
            f"Declared sensitive: {', '.join(factors['sensitive']) or 'none'}",
        ),
        "## Metrics",
        card["metrics"]["measures"],
        _table(
            ("check", "verdict", "what was found"),
            [
                (check["name"], "passed" if check["passed"] else "**failed**", check["detail"])
                for check in card["metrics"]["checks"]
            ],
        ),
        "## Evaluation data",
        _list(
            f"{data['rows']:,} customers of {data['snapshot']}, labels until "
            f"{data['labels_until']}; {_observed_words(data)}",
            f"Population: {data['population']}",
        ),
        "## Training data",
        _list(
            f"{trained['rows']:,} rows of {trained['snapshots']} weekly snapshots, "
            f"{trained['first']} to {trained['last']}",
            f"SHA-256 of the rows: `{trained['frame_sha256']}`",
            *(
                [
                    f"{lineage['events']:,} events; loads: {lineage['loads']:,}; builds: "
                    f"{lineage['builds']:,}; dbt models: {len(lineage['tables'])}"
                ]
                if lineage
                else []
            ),
        ),
        "## Quantitative analyses",
        _table(
            ("who", *shown),
            [
                (name, *(f"{own[key]:.4f}" for key in shown))
                for name, own in measured["overall"].items()
            ],
        ),
        _table(
            SLICE_HEADS[kind],
            [_slice(part) for part in measured["slices"]],
        ),
        "Strongest features: "
        + ", ".join(f"`{row['feature']}`" for row in measured["strongest_features"])
        + ".",
        "## Ethical considerations",
        _list(*card["ethical_considerations"]),
        "## Caveats and recommendations",
        _list(*(advice["worries"] or ["Nothing failed."]), *advice["notes"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _training_data(evidence: Evidence) -> dict[str, Any]:
    fitted = evidence.split.fitted
    return {
        "rows": evidence.fitted_rows,
        "snapshots": len(fitted),
        "first": fitted[0].isoformat(),
        "last": fitted[-1].isoformat(),
        "validation": [day.isoformat() for day in evidence.split.validation],
        "frame_sha256": evidence.frame_sha256,
        "lineage": _lineage(evidence.lineage) if evidence.lineage else None,
    }


def _lineage(lineage: Lineage) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(lineage).items()
    }


def _observed(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return how the label turned out: the share with it, or the mean amount."""
    return {key: metrics[key] for key in ("base_rate", "mean_observed") if key in metrics}


def _observed_words(data: Mapping[str, Any]) -> str:
    if "base_rate" in data:
        return f"{100 * data['base_rate']:.1f} % with the label"
    return f"{data['mean_observed']:,.2f} each on average"


def _slice(part: Mapping[str, Any]) -> tuple[str, ...]:
    if "bias" in part:
        bias = part["bias"]["value"] if part["bias"] else None
        numbers = (part["mean_observed"], part["mean_prediction"], bias)
    else:
        auc = part["metrics"]["auc"] if part["metrics"] else None
        numbers = (part["base_rate"], part["mean_prediction"], auc)
    return (
        f"{part['factor']}: {part['name']}",
        f"{part['rows']:,}",
        *("–" if number is None else f"{number:.3f}" for number in numbers),
        part["verdict"],
    )


def _list(*items: str) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines
    )
