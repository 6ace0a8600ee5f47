"""Score every customer with every champion, as one set, whole or not at all."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from psycopg import Connection, IsolationLevel
from psycopg.rows import TupleRow

from footfall.errors import NotReady
from footfall.modelling.drifting import drift_line, record_drift
from footfall.modelling.fallback import score_by_base_rate, too_old
from footfall.modelling.models import fitted_until, label_gone, label_of
from footfall.settings import settings
from footfall.warehouse import features, models
from footfall.warehouse.connection import connect
from footfall.warehouse.scores import (
    ScoreRow,
    begin_score_set,
    complete_score_set,
    copy_scores,
    features_of_scores,
    keep_scores,
    lock_score_sets,
    newest_set_by,
)
from footfall.warehouse.verdicts import as_of_subject, latest_verdict, newest_features_as_of
from ml.errors import MlError
from ml.labels import LABELS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xgboost as xgb
    from numpy.typing import NDArray

    from ml.explain import Contributions

CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class ScoreSet:
    """A complete set of scores.

    Attributes:
        score_set: its number.
        as_of: nothing later was used.
        model_ids: the champions that scored.
        records: how many scores.
        explained: how many of them were worked out.
        kept: how many were taken over, for the model and the features are those of the set before.
        left_out: champions that did not score, and why.
        fallback: models that are too old, or have too old features, and why: their scores are base
            rates.
        drift: how far each model's features and scores have moved, in a word.
        seconds: how long it took.
    """

    score_set: int
    as_of: datetime
    model_ids: tuple[str, ...]
    records: int
    explained: int
    kept: int
    left_out: Mapping[str, str]
    fallback: Mapping[str, str]
    drift: Mapping[str, str]
    seconds: float

    def line(self) -> str:
        """Return the set in one line."""
        return (
            f"score set {self.score_set} as of {self.as_of.isoformat()}: {self.records:,} scores "
            f"by {', '.join(self.model_ids)}, {self.explained:,} explained, {self.kept:,} kept, in "
            f"{self.seconds:.1f} s{self.caveats()}"
        )

    def caveats(self) -> str:
        """Return what a line has to add: base rates instead of scores, and drift; or nothing."""
        base_rates = [f"; base rates, not {name}: {why}" for name, why in self.fallback.items()]
        return "".join(base_rates) + drift_line(self.drift)


def score(as_of: datetime | None = None, *, now: datetime, anew: bool = False) -> ScoreSet:
    """Score each champion's population at an instant.

    A champion that has learnt from labels later than ``as_of`` is left out: it would know the
    future. Customers whose features are what they were in the model's newest complete set keep
    margin, SHAP values and reasons; where they stand among all is always worked out.

    Args:
        as_of: an instant with features; default: the newest one.
        now: the wall clock, for ``scored_at`` and ``expires_at``.
        anew: work out every score, keep none.

    Raises:
        NotReady: no champion may score, or no verdict lets these features pass.
        GateStopped: the gate stopped these features.
    """
    started = time.monotonic()
    with connect() as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        lock_score_sets(connection)
        as_of = as_of or newest_features_as_of(connection)
        if as_of is None:
            raise NotReady("there are no features yet; run: footfall build")
        _require_verdict(connection, as_of)
        chosen, left_out = _champions(connection, as_of)
        score_set = begin_score_set(connection, as_of, [row.model_id for row in chosen])
        before = [None if anew else newest_set_by(connection, row.model_id) for row in chosen]
        try:
            fallback = too_old(connection, chosen, as_of)
            counts = [
                score_by_base_rate(connection, row, as_of, score_set=score_set, why=why, now=now)
                if (why := fallback.get(row.model_id))
                else _score(connection, _Context(score_set, row, as_of, now, kept_set))
                for row, kept_set in zip(chosen, before, strict=True)
            ]
        except MlError as error:
            raise NotReady(f"scores as of {as_of.isoformat()} cannot be made: {error}") from None
        explained, kept = (sum(column) for column in zip(*counts, strict=True))
        if explained + kept == 0:
            raise NotReady(
                f"no customer can be scored as of {as_of.isoformat()}: none allows profiling, or "
                "nothing is built for it; run: footfall build"
            )
        drift = record_drift(connection, score_set, chosen, as_of, fallback=fallback)
        complete_score_set(
            connection,
            score_set,
            records=explained + kept,
            kept_set=before[0] if len(set(before)) == 1 else None,
            now=now,
        )
    return ScoreSet(
        score_set=score_set,
        as_of=as_of,
        model_ids=tuple(row.model_id for row in chosen),
        records=explained + kept,
        explained=explained,
        kept=kept,
        left_out=left_out,
        fallback=fallback,
        drift=drift,
        seconds=round(time.monotonic() - started, 3),
    )


def _require_verdict(connection: Connection[TupleRow], as_of: datetime) -> None:
    verdict = latest_verdict(connection, "features", as_of_subject(as_of))
    if verdict is None:
        raise NotReady(
            f"nobody has checked the features as of {as_of.isoformat()}; run: "
            "footfall gate features"
        )
    verdict.enforce()


def _champions(
    connection: Connection[TupleRow], as_of: datetime
) -> tuple[list[models.ModelRow], dict[str, str]]:
    champions = models.champions(connection)
    if not champions:
        raise NotReady("no model is champion; run: footfall train churn, then: footfall promote")
    left_out = {
        row.model_id: f"has learnt from labels until {fitted_until(row).isoformat()}; "
        "score a later instant"
        for row in champions
        if fitted_until(row) > as_of
    } | {row.model_id: label_gone(row.name) for row in champions if row.name not in LABELS}
    chosen = [row for row in champions if row.model_id not in left_out]
    if not chosen:
        told = "; ".join(f"{model_id} {reason}" for model_id, reason in left_out.items())
        raise NotReady(f"no champion may score as of {as_of.isoformat()}: {told}")
    return chosen, left_out


def _score(connection: Connection[TupleRow], context: "_Context") -> tuple[int, int]:
    """Score one champion's population in two passes: where everybody stands, then why.

    Returns:
        How many scores were explained, and how many kept.
    """
    import numpy as np

    from ml.calibrate import Calibration
    from ml.explain import margins
    from ml.features import matrix
    from ml.kinds import kind_of
    from ml.score import percentiles
    from ml.train import from_bytes, sha256

    model, names = context.model, context.names
    features.require_columns(connection, names)
    artefact = models.artefact(connection, model.model_id)
    if sha256(artefact) != model.sha256:
        raise NotReady(
            f"the artefact of {model.model_id} is not the one that was stored; train anew"
        )
    booster = from_bytes(artefact)
    every = [
        margins(booster, matrix(chunk, names), names) for chunk in _chunks(connection, context)
    ]
    if not every:
        return 0, 0
    predictions = kind_of(label_of(model)).predictions(
        Calibration(**model.calibration), np.concatenate(every)
    )
    ranks = percentiles(predictions)
    done = explained = 0
    for chunk in _chunks(connection, context):
        here = slice(done, done + len(chunk))
        frame = chunk.assign(prediction=predictions[here], percentile=ranks[here])
        explained += _write(connection, context, frame, booster)
        done += len(chunk)
    return explained, done - explained


def _write(
    connection: Connection[TupleRow],
    context: "_Context",
    chunk: "pd.DataFrame",
    booster: "xgb.Booster",
) -> int:
    """Write the scores of a chunk; return how many were explained, not kept."""
    import numpy as np

    from ml.explain import TOLERANCE, contributions
    from ml.features import fingerprints, matrix

    values = matrix(chunk, context.names)
    chunk = chunk.assign(features_sha256=fingerprints(values, context.names))
    model_id, customers = context.model.model_id, chunk["customer_id"]
    kept = np.zeros(len(chunk), dtype=np.bool_)
    if context.kept_set is not None:
        before = features_of_scores(
            connection,
            context.kept_set,
            model_id,
            str(customers.iloc[0]),
            str(customers.iloc[-1]),
            tolerance=TOLERANCE,
        )
        kept = (customers.map(before) == chunk["features_sha256"]).to_numpy(dtype=np.bool_)
        ranks = dict(zip(customers[kept], chunk["percentile"][kept].tolist(), strict=True))
        keep_scores(
            connection,
            context.kept_set,
            model_id,
            ranks,
            score_set=context.score_set,
            as_of=context.as_of,
            scored_at=context.now,
            expires_at=context.expires_at,
        )
    if kept.all():
        return 0
    parts = contributions(booster, values[~kept], context.names)
    return copy_scores(connection, context.rows(chunk[~kept], values[~kept], parts))


def _chunks(connection: Connection[TupleRow], context: "_Context") -> Iterator["pd.DataFrame"]:
    return features.read_snapshot(
        connection,
        context.as_of,
        context.names,
        activity_column=label_of(context.model).activity_column,
        chunk_rows=CHUNK_ROWS,
    )


@dataclass(frozen=True)
class _Context:
    """What all scores of one model in one set share; ``kept_set``: the set before, if any."""

    score_set: int
    model: models.ModelRow
    as_of: datetime
    now: datetime
    kept_set: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """The features that the model reads."""
        return tuple(self.model.features)

    @property
    def expires_at(self) -> datetime:
        """When the scores stop to be fresh."""
        return self.now + timedelta(hours=settings().score_ttl_hours)

    def rows(
        self, chunk: "pd.DataFrame", values: "NDArray[np.float64]", parts: "Contributions"
    ) -> Iterator[ScoreRow]:
        """Yield what is stored of each customer of a chunk."""
        from ml.reasons import reasons

        label, names, expires_at = label_of(self.model), self.names, self.expires_at
        for customer_id, numbers, contributed, margin, prediction, rank, fingerprint in zip(
            chunk["customer_id"],
            values.tolist(),
            parts.shap_values.tolist(),
            parts.margins.tolist(),
            chunk["prediction"].tolist(),
            chunk["percentile"].tolist(),
            chunk["features_sha256"],
            strict=True,
        ):
            probability, amount = label.prediction(prediction)
            known = [None if number != number else number for number in numbers]
            why = reasons(
                label,
                dict(zip(names, contributed, strict=True)),
                dict(zip(names, known, strict=True)),
            )
            yield ScoreRow(
                score_set=self.score_set,
                model_id=self.model.model_id,
                customer_id=str(customer_id),
                as_of=self.as_of,
                probability=probability,
                amount=amount,
                percentile=rank,
                margin=margin,
                base_value=parts.base_value,
                shap_values=contributed,
                feature_values=known,
                reasons=[reason.as_dict() for reason in why],
                features_sha256=fingerprint,
                scored_at=self.now,
                expires_at=expires_at,
            )
