"""Explain a stored score from what was stored with it: the same text each time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import jinja2

from footfall.errors import NotFound, NotReady
from footfall.modelling.models import label_of
from footfall.warehouse import models
from footfall.warehouse.connection import transaction
from footfall.warehouse.customers import resolve
from footfall.warehouse.scores import ScoreRow, newest_score
from ml.explain import TOLERANCE, margins
from ml.features import BY_NAME, fingerprints
from ml.kinds import KINDS
from ml.train import from_bytes, sha256

SHOWN = 10  # features in the text


@dataclass(frozen=True)
class Explanation:
    """Why one customer has one score.

    Attributes:
        customer_id: whose score.
        model_id: which model.
        model_name: purchase or churn.
        model_sha256: of the model's artefact.
        question: what a probability of 1 means, or the amount.
        as_of: nothing later was used.
        score_set: the set that the score belongs to.
        probability: calibrated; None: the model predicts an amount.
        amount: in the shop's currency; None: the model predicts a probability.
        percentile: 0 to 100, among all whom the model scored in this set.
        margin: log-odds, or the logarithm of an amount; the base value plus all contributions,
            within 1e-4.
        base_value: the margin of nobody in particular.
        contributions: SHAP value by feature, in the unit of the margin.
        features: value by feature, as the model saw it; None = missing.
        features_sha256: of these values.
        reasons: the strongest themes in words.
        calibration: slope and intercept from margin to probability.
        scored_at: when it was scored.
        expires_at: when it stops to be fresh.
        fallback: why it is a base rate and not the model's own; None: it is the model's.
    """

    customer_id: str
    model_id: str
    model_name: str
    model_sha256: str
    question: str
    as_of: datetime
    score_set: int
    probability: float | None
    amount: float | None
    percentile: float
    margin: float
    base_value: float
    contributions: Mapping[str, float]
    features: Mapping[str, float | None]
    features_sha256: str
    reasons: Sequence[Mapping[str, Any]]
    calibration: Mapping[str, float]
    scored_at: datetime
    expires_at: datetime
    fallback: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it with instants as ISO 8601, ready for JSON."""
        return {
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in asdict(self).items()
        }

    @property
    def ranked(self) -> list[tuple[str, float, float | None]]:
        """Features with contribution and value, the strongest first."""
        order = sorted(self.contributions, key=lambda name: (-abs(self.contributions[name]), name))
        return [(name, self.contributions[name], self.features[name]) for name in order]

    @property
    def prediction(self) -> str:
        """What is predicted, as a person writes it: percent, or money."""
        if self.amount is not None:
            return KINDS["amount"].told(self.amount)
        return KINDS["class"].told(self.probability or 0.0)

    def as_text(self) -> str:
        """Return it for a terminal."""
        lines = [
            f"{self.customer_id} {self.question}: {self.prediction}, higher than "
            f"{self.percentile:.0f} % of customers (as of {self.as_of.date()}, {self.model_id})",
            *(f"  {reason['effect']}: {reason['text']}" for reason in self.reasons),
        ]
        if self.fallback:
            return "\n".join([*lines, f"  no model's score: {self.fallback}"])
        lines += [
            f"  margin {self.margin:+.4f} = base value {self.base_value:+.4f} + contributions:",
            *(
                f"  {part:+.4f}  {name} = {'missing' if value is None else f'{value:.6g}'}"
                for name, part, value in self.ranked[:SHOWN]
            ),
        ]
        if rest := self.ranked[SHOWN:]:
            total = sum(part for _, part, _ in rest)
            lines.append(f"  {total:+.4f}  {len(rest)} other features")
        lines.append(f"  model {self.model_sha256}")
        lines.append(f"  features {self.features_sha256}")
        return "\n".join(lines)

    def as_html(self) -> str:
        """Return it as one HTML file that needs nothing else."""
        strongest = max((abs(part) for part in self.contributions.values()), default=0.0)
        return _template().render(
            account=self, described=BY_NAME, strongest=strongest or 1.0, tolerance=TOLERANCE
        )


def explain(
    customer: str,
    *,
    model: str | None = None,
    as_of: datetime | None = None,
    score_set: int | None = None,
) -> Explanation:
    """Explain a customer's newest score, and check it against its model.

    Args:
        customer: customer_id, user id or anonymous id.
        model: purchase, churn or a model_id; default: churn where there is one, else purchase.
        as_of: the score of this instant; default: the newest.
        score_set: the score of this set: when an instant was scored again, the one before, too.

    Raises:
        NotFound: nobody has this id, or there is no such score.
        NotReady: the stored model or values are not those that made the score; or the model does
            not say what it predicts, as older ones, and its label is gone.
    """
    with transaction() as connection:
        customer_id = resolve(connection, customer)
        row = newest_score(connection, customer_id, model=model, as_of=as_of, score_set=score_set)
        if row is None:
            raise NotFound(_nothing(customer, model, as_of, score_set))
        made_by = models.find_model(connection, row.model_id)
        artefact = models.artefact(connection, row.model_id)
    if row.fallback is None:
        _verify(row, made_by, artefact)
    names = made_by.features
    return Explanation(
        customer_id=customer_id,
        model_id=row.model_id,
        model_name=made_by.name,
        model_sha256=made_by.sha256,
        question=made_by.params.get("question") or label_of(made_by).question,
        as_of=row.as_of,
        score_set=row.score_set,
        probability=row.probability,
        amount=row.amount,
        percentile=row.percentile,
        margin=row.margin,
        base_value=row.base_value,
        contributions=dict(zip(names, row.shap_values, strict=True)),
        features=dict(zip(names, row.feature_values, strict=True)),
        features_sha256=row.features_sha256,
        reasons=row.reasons,
        calibration=made_by.calibration,
        scored_at=row.scored_at,
        expires_at=row.expires_at,
        fallback=row.fallback,
    )


def _verify(row: ScoreRow, made_by: models.ModelRow, artefact: bytes) -> None:
    """Recompute the score from the stored artefact and values.

    Raises:
        NotReady: something stored has been altered since.
    """
    import numpy as np

    names = tuple(made_by.features)
    if sha256(artefact) != made_by.sha256:
        altered = f"the artefact of {row.model_id}"
    else:
        values = np.array(
            [[np.nan if value is None else value for value in row.feature_values]], dtype=np.float64
        )
        if len(names) != values.shape[1] or fingerprints(values, names) != [row.features_sha256]:
            altered = f"the features of {row.customer_id}"
        elif abs(margins(from_bytes(artefact), values, names)[0] - row.margin) > TOLERANCE or (
            abs(row.base_value + sum(row.shap_values) - row.margin) > TOLERANCE
        ):
            altered = f"the score of {row.customer_id}"
        else:
            return
    raise NotReady(
        f"{altered} in score set {row.score_set} is not what was stored; score again with: "
        "footfall score --anew"
    )


def _nothing(
    customer: str, model: str | None, as_of: datetime | None, score_set: int | None
) -> str:
    by = f" by {model}" if model else ""
    when = f" as of {as_of.isoformat()}" if as_of else ""
    where = f" in score set {score_set}" if score_set is not None else ""
    return (
        f"customer {customer!r} has no score{by}{when}{where}: outside the model's population, not "
        "profiled, or not scored yet (footfall score)"
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("footfall.modelling", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("explanation.html")
