"""Gather what a model's report and card are written from: what was learnt, and the warehouse."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from footfall.modelling.models import fitted_until
from footfall.warehouse import lineage, models
from footfall.warehouse.connection import transaction
from footfall.warehouse.models import ModelRow
from ml.labels import Label
from ml.split import Split

if TYPE_CHECKING:
    from ml.changes import Changes, Former
    from ml.evidence import Evidence
    from ml.learn import Learnt


def evidence(row: ModelRow, label: Label, split: Split, learnt: "Learnt") -> "Evidence":
    """Return the evidence on a model that is about to be stored."""
    from ml.evidence import Evidence, Lineage
    from ml.interactions import strongest_interactions
    from ml.train import from_bytes

    with transaction() as connection:
        champion = _champion(connection, row)
        origin = lineage.origin(connection, split.all)
    return Evidence(
        model_id=row.model_id,
        sha256=learnt.sha256,
        label=label,
        as_of=row.as_of,
        split=split,
        fitted_rows=learnt.fitted_rows,
        frame_sha256=learnt.frame_sha256,
        params=_params(row.params),
        calibration=learnt.calibration,
        holdout=learnt.holdout,
        predictions=learnt.predictions,
        baselines=learnt.baseline_predictions,
        shap_values=learnt.shap_values,
        drift=learnt.drift,
        checks=learnt.checks,
        slices=learnt.slices,
        interactions=strongest_interactions(from_bytes(learnt.artefact), learnt.holdout),
        changes=_changes(champion, row, label, split, learnt) if champion else None,
        lineage=Lineage(**asdict(origin), tables=lineage.tables_behind()),
    )


def _champion(connection: Any, row: ModelRow) -> "Former | None":
    """Return the champion of the name, unless it is this model itself."""
    from ml.calibrate import Calibration
    from ml.changes import Former

    for champion in models.champions(connection):
        if champion.name == row.name and champion.model_id != row.model_id:
            return Former(
                model_id=champion.model_id,
                as_of=champion.as_of,
                fitted_until=fitted_until(champion),
                fitted_rows=champion.params.get("fitted_rows"),
                features=tuple(champion.features),
                params=champion.params,
                calibration=Calibration(**champion.calibration),
                artefact=models.artefact(connection, champion.model_id),
            )
    return None


def _changes(
    champion: "Former", row: ModelRow, label: Label, split: Split, learnt: "Learnt"
) -> "Changes":
    from ml.changes import changes
    from ml.kinds import kind_of

    return changes(
        champion,
        holdout=learnt.holdout,
        holdout_at=split.holdout,
        kind=kind_of(label),
        predictions=learnt.predictions,
        shap_values=learnt.shap_values,
        params=_params(row.params),
        fitted_rows=learnt.fitted_rows,
    )


def _params(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the trees among all that is stored of a model's making."""
    from ml.train import Params

    return {
        name: stored[name] for name in (*Params().as_dict(), "unit", "rounds") if name in stored
    }
