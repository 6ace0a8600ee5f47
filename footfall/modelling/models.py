"""The trained models: which there are, and which of them may score."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from footfall.errors import NotFound, NotReady
from footfall.warehouse import models as store
from footfall.warehouse.connection import transaction
from footfall.warehouse.models import ModelRow, State
from ml.labels import LABELS, Label


@dataclass(frozen=True)
class Model:
    """One trained model in the list."""

    model_id: str
    name: str
    as_of: datetime
    state: State
    trained_at: datetime
    promoted_at: datetime | None
    demoted_at: datetime | None
    sha256: str
    metrics: Mapping[str, float]

    def line(self) -> str:
        """Return the model in one line."""
        from ml.kinds import kind_of

        state = "demoted" if self.demoted_at else self.state
        label = LABELS.get(self.name)
        told = kind_of(label).line(self.metrics) if label else label_gone(self.name)
        return f"{self.model_id:30} {state:10} {told}"


def list_models() -> list[Model]:
    """Return all models, the newest first."""
    with transaction() as connection:
        rows = store.all_models(connection)
    return [
        Model(
            model_id=row.model_id,
            name=row.name,
            as_of=row.as_of,
            state=row.state,
            trained_at=row.trained_at,
            promoted_at=row.promoted_at,
            demoted_at=row.demoted_at,
            sha256=row.sha256,
            metrics={key: value for key, value in row.metrics.items() if key != "baselines"},
        )
        for row in rows
    ]


def label_of(model: ModelRow) -> Label:
    """Return what a model predicts.

    Raises:
        NotReady: the file of its label is gone.
    """
    if model.name not in LABELS:
        raise NotReady(f"{model.model_id} {label_gone(model.name)}")
    return LABELS[model.name]


def label_gone(name: str) -> str:
    """Return why a model without a label can do nothing, to follow its name."""
    return f"predicts a label that is gone; put ml/labels/{name}.yml back"


def has_champion(as_of: datetime | None = None) -> bool:
    """Tell whether a champion is there, and one that may score as of the given instant."""
    with transaction() as connection:
        rows = store.champions(connection)
    return any(row.name in LABELS and (as_of is None or fitted_until(row) <= as_of) for row in rows)


def model_report(model_id: str) -> str:
    """Return the audit report of a model, as self-contained HTML.

    Raises:
        NotFound: no model has this id.
    """
    with transaction() as connection:
        return store.report(connection, model_id)


def model_card_of(model_id: str) -> dict[str, Any]:
    """Return the card of a model, as `ml.model_card` made it.

    Raises:
        NotFound: no model has this id, or it is older than cards.
    """
    with transaction() as connection:
        card = store.card(connection, model_id)
    if card is None:
        raise NotFound(f"{model_id} was trained before there were model cards: train it again")
    return card


def fitted_until(row: ModelRow) -> datetime:
    """Return the end of the newest label that the model has learnt from."""
    return datetime.fromisoformat(row.params["fitted_until"])


def holdout_as_of(row: ModelRow) -> datetime:
    """Return the snapshot that the model was judged on."""
    return datetime.fromisoformat(row.params["holdout"])
