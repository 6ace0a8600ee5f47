"""Train a challenger: weekly snapshots from the warehouse, a model and its audit report into it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from expectations.evaluate import evaluate as check
from expectations.features import judged
from footfall.errors import BadArgument, GateStopped, NotReady
from footfall.modelling.evidence import evidence
from footfall.settings import settings
from footfall.warehouse import features, models
from footfall.warehouse.build import build_snapshots
from footfall.warehouse.connection import transaction
from ml.errors import MlError
from ml.labels import LABELS, Label
from ml.split import Split, forward_folds, snapshots_for, split_by_time

if TYPE_CHECKING:
    import pandas as pd

    from ml.evidence import Evidence
    from ml.learn import Learnt
    from ml.rows import Rows
    from ml.search import Found
    from ml.train import Params

FIRST_LABELS = ("purchase", "churn")
STEPS = 4  # snapshots, rows, model, report; and a trial of the search each


@dataclass(frozen=True)
class TrainedModel:
    """What was trained and how good it is on its holdout.

    ``refused`` says why it cannot be promoted, a sentence per check that failed.
    """

    model_id: str
    name: str
    as_of: datetime
    state: models.State
    sha256: str
    fitted_rows: int
    fitted_until: datetime
    holdout: datetime
    metrics: Mapping[str, float]
    unseen_customers: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    trials: int
    refused: Sequence[str]
    seconds: float

    def line(self) -> str:
        """Return the model in one line."""
        from ml.kinds import kind_of

        own, kind = self.metrics, kind_of(LABELS[self.name])
        return (
            f"{self.model_id} ({self.state}): {kind.full_line(own)} on "
            f"{own['rows']:,} customers of {self.holdout.date()}, fitted on {self.fitted_rows:,} "
            f"rows, in {self.seconds:.1f} s"
            + (f", the best of {self.trials} trials" if self.trials else "")
            + (f"; cannot be promoted: {'; '.join(self.refused)}" if self.refused else "")
        )


def train(
    name: str,
    as_of: datetime | None = None,
    *,
    now: datetime,
    trials: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedModel:
    """Train a challenger from labels that had ended by ``as_of``.

    Missing snapshots are built. The same rows give the same model, which is then stored once.

    Args:
        name: of a label in ml/labels, such as churn.
        as_of: nothing later is used; default: as far as the warehouse is built.
        now: the wall clock, for ``trained_at``.
        trials: how many parameters of the trees to try; default: the setting ``search_trials``.
        on_progress: is told of the steps done and their number.

    Raises:
        BadArgument: no model has this name.
        NotReady: the warehouse is not built that far, or holds too little to learn from.
        GateStopped: the rows to learn from are unfit.
    """
    started = time.monotonic()
    tell = on_progress or (lambda done, total: None)
    (name,) = known_labels([name])
    label = LABELS[name]
    budget = settings().search_trials if trials is None else trials
    steps = STEPS + budget
    try:
        as_of, split = _plan(label, as_of)
        build_snapshots(split.all)
        tell(1, steps)
        with ExitStack() as stack:
            rows = _read(label, split, stack)
            tell(2, steps)
            params, found = _params(
                label, split, rows, budget, lambda trial: tell(2 + trial, steps)
            )
            row, learnt = _learn(rows, label, split, as_of, now, params, found)
        tell(3 + budget, steps)
    except MlError as error:
        raise NotReady(f"{name} cannot be trained: {error}") from None
    report, card = _documents(evidence(row, label, split, learnt))
    with transaction() as connection:
        models.lock_models(connection)
        row = models.store_model(
            connection,
            row,
            artefact=learnt.artefact,
            report=report,
            card=card,
            reference=learnt.reference.as_dict(),
        )
    tell(steps, steps)
    return TrainedModel(
        model_id=row.model_id,
        name=name,
        as_of=row.as_of,
        state=row.state,
        sha256=row.sha256,
        fitted_rows=learnt.fitted_rows,
        fitted_until=label.known_at(split.fitted[-1]),
        holdout=split.holdout,
        metrics=learnt.metrics.as_dict(),
        unseen_customers=learnt.unseen.as_dict(),
        baselines={key: metrics.as_dict() for key, metrics in learnt.baselines.items()},
        trials=len(found.trials) if found else 0,
        refused=[check.detail for check in learnt.checks if not check.passed],
        seconds=round(time.monotonic() - started, 3),
    )


def labels_to_train(asked: Sequence[str] | None, shifted: Sequence[str] = ()) -> list[str]:
    """Return the labels that a training is of, by default each that a shop begins with or scores.

    Args:
        asked: these and no others.
        shifted: the models for whose drift it was started; else these alone.

    Raises:
        BadArgument: one is no label.
    """
    if named := asked or shifted:
        return list(known_labels(named))
    with transaction() as connection:
        reigning = [row.name for row in models.champions(connection) if row.name in LABELS]
    return list(dict.fromkeys([*FIRST_LABELS, *reigning]))


def known_labels(names: Sequence[str]) -> Sequence[str]:
    """Return the names, each of which is a label's.

    Raises:
        BadArgument: one is not.
    """
    for name in names:
        if name not in LABELS:
            raise BadArgument(f"there is no model {name!r}; there are: {', '.join(sorted(LABELS))}")
    return names


def _plan(label: Label, as_of: datetime | None) -> tuple[datetime, Split]:
    with transaction() as connection:
        built = features.built_through(connection)
        first_event = features.first_event_at(connection)
    if as_of is not None and as_of > built:
        raise NotReady(
            f"the warehouse is built through {built.isoformat()}, not {as_of.isoformat()}; run: "
            f"footfall build --as-of {as_of.isoformat()}"
        )
    as_of = as_of or built
    snapshots = snapshots_for(label, first_event=first_event, as_of=as_of)
    return as_of, split_by_time(snapshots, label.horizon)


def _read(label: Label, split: Split, stack: ExitStack) -> "Rows":
    """Read the rows: into memory, or beyond the setting's limit into a file of the stack's."""
    from ml.catalogue import MODEL_FEATURES, SLICE_FEATURES
    from ml.kinds import kind_of
    from ml.rows import rows_of

    most = settings().train_in_memory_rows
    with transaction() as connection:
        names = (*MODEL_FEATURES, *SLICE_FEATURES)
        features.require_columns(connection, names)
        folder = None
        if features.count_labelled(connection, label, split.all) > most:
            home = settings().home
            home.mkdir(parents=True, exist_ok=True)
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="train-", dir=home)))
        chunks = features.read_labelled_chunks(
            connection,
            label,
            split.all,
            names,
            traits=settings().sensitive_trait_list,
            history=kind_of(label).history,
            with_segment=True,
            chunk_rows=most,
        )
        with closing(chunks):
            return rows_of(
                _fit_rows(label, chunks),
                MODEL_FEATURES,
                folder=folder,
                batch_rows=most,
                aside=split.told,
            )


def _fit_rows(label: Label, chunks: Iterator["pd.DataFrame"]) -> Iterator["pd.DataFrame"]:
    """Yield the chunks that pass the gate.

    Raises:
        GateStopped: one does not.
    """
    from ml.catalogue import MODEL_FEATURES

    for frame in chunks:
        rows = frame[["customer_id", "as_of", *MODEL_FEATURES]]
        results = [check(*each) for each in judged(rows, MODEL_FEATURES)]
        if any(result.verdict == "stop" for result in results):
            failures = [failure for result in results for failure in result.failures]
            stops = [str(failure) for failure in failures if failure.severity == "stop"]
            raise GateStopped(
                f"the {len(frame):,} rows to train {label.name} on are unfit: "
                f"{'; '.join(stops[:3])}; look closer with: footfall gate features"
            )
        yield frame


def _params(
    label: Label, split: Split, rows: "Rows", trials: int, on_trial: Callable[[int], None]
) -> tuple["Params", "Found | None"]:
    from ml.catalogue import monotone
    from ml.kinds import kind_of
    from ml.search import Budget, search
    from ml.train import Params

    params = kind_of(label).params(
        Params(monotone=monotone(label.name), device=settings().device),
        rows.sample(split.fitted).labels,
    )
    if trials == 0:
        return params, None
    found = search(
        [rows.fold(fold) for fold in forward_folds(split, label.horizon)],
        params,
        Budget(trials, settings().search_seconds),
        cluster=settings().dask_scheduler,
        on_trial=on_trial,
    )
    return found.params, found


def _learn(
    rows: "Rows",
    label: Label,
    split: Split,
    as_of: datetime,
    now: datetime,
    params: "Params",
    found: "Found | None",
) -> tuple[models.ModelRow, "Learnt"]:
    from ml.catalogue import MODEL_FEATURES
    from ml.learn import learn

    cluster = settings().dask_scheduler
    learnt = learn(rows, split, MODEL_FEATURES, params, label=label, cluster=cluster)
    row = models.ModelRow(
        model_id=f"{label.name}-{as_of:%Y%m%d}-{learnt.sha256[:8]}",
        name=label.name,
        trained_at=now,
        as_of=as_of,
        sha256=learnt.sha256,
        params=_provenance(label, split, learnt, found),
        metrics={
            **learnt.metrics.as_dict(),
            "unseen_customers": learnt.unseen.as_dict(),
            "baselines": {key: metrics.as_dict() for key, metrics in learnt.baselines.items()},
            "checks": [check.as_dict() for check in learnt.checks],
        },
        features=MODEL_FEATURES,
        state="challenger",
        calibration=asdict(learnt.calibration),
        promoted_at=None,
    )
    return row, learnt


def _provenance(
    label: Label, split: Split, learnt: "Learnt", found: "Found | None"
) -> dict[str, object]:
    """Return all that the model was made from."""
    return {
        **learnt.params.as_dict(),
        **({"search": found.as_dict()} if found else {}),
        "on_dask": settings().dask_scheduler is not None,
        "rounds": learnt.rounds,
        "train": [day.isoformat() for day in split.train],
        "validation": [day.isoformat() for day in split.validation],
        **({"validation_by": "customers"} if split.by_customers else {}),
        "holdout": split.holdout.isoformat(),
        "question": label.question,
        "horizon_days": label.horizon.days,
        "fitted_until": label.known_at(split.fitted[-1]).isoformat(),
        "fitted_rows": learnt.fitted_rows,
        "frame_sha256": learnt.frame_sha256,
    }


def _documents(told: "Evidence") -> tuple[str, dict[str, object]]:
    """Return the audit report and the card."""
    from ml.audit import audit_report
    from ml.model_card import model_card

    return audit_report(told), model_card(told)
