"""Serve a base rate where knowledge is too old for a model's score.

What counts is event time, never the wall clock: a replayed old year is as fresh as it was then. A
model's knowledge ends with the newest label that it has learnt from, or that has confirmed it. The
features are too old when events wait, later than them by so much, that no finished build has taken
in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import NotReady
from footfall.modelling.drifting import known_outcome
from footfall.modelling.models import fitted_until, label_of
from footfall.settings import settings
from footfall.warehouse import base_rates, models
from footfall.warehouse.base_rates import Customer, Rates
from footfall.warehouse.scores import ScoreRow, copy_scores
from footfall.warehouse.verdicts import newest_features_as_of

MONTH = timedelta(days=30)
LEAST_CUSTOMERS = 50  # of a segment; its rate would be luck below, and that of all is taken


def too_old(
    connection: Connection[TupleRow], chosen: Sequence[models.ModelRow], as_of: datetime
) -> dict[str, str]:
    """Return the models that may not score as of an instant, and why, by model_id."""
    if behind := _features_too_old(connection, as_of):
        return {row.model_id: behind for row in chosen}
    found = {row.model_id: _model_too_old(connection, row, as_of) for row in chosen}
    return {model_id: reason for model_id, reason in found.items() if reason}


def _features_too_old(connection: Connection[TupleRow], as_of: datetime) -> str | None:
    """Say how far the newest features lie behind events that no build has taken in.

    Earlier snapshots are the past on purpose, and so is a build as of an instant before the newest
    event: it has taken that event's load in.
    """
    waiting = base_rates.newest_event_waiting(connection)
    if waiting is None or as_of != newest_features_as_of(connection):
        return None
    behind = waiting - as_of
    if behind <= timedelta(hours=settings().features_max_age_hours):
        return None
    hours = behind / timedelta(hours=1)
    return f"the features are {hours:.0f} hours behind the newest event of {waiting.isoformat()}"


def _model_too_old(
    connection: Connection[TupleRow], model: models.ModelRow, as_of: datetime
) -> str | None:
    # a label that takes longer than a month is known so much later, of the newest model, too
    longer = max(label_of(model).horizon - MONTH, timedelta(0))
    most = timedelta(days=settings().model_max_age_days) + longer
    if as_of - fitted_until(model) <= most:
        return None
    known_until = fitted_until(model)
    outcome = known_outcome(connection, model, as_of)
    if outcome is not None and outcome[1].reading == "steady":
        known_until = max(known_until, label_of(model).known_at(outcome[0]))
    if as_of - known_until <= most:
        return None
    return (
        f"the model knows labels until {known_until.date()} only, "
        f"{(as_of - known_until).days} days before {as_of.date()}"
    )


def score_by_base_rate(
    connection: Connection[TupleRow],
    model: models.ModelRow,
    as_of: datetime,
    *,
    score_set: int,
    why: str,
    now: datetime,
) -> tuple[int, int]:
    """Give a model's population the base rate of each customer's segment.

    Returns:
        How many scores were worked out, and how many kept: none.

    Raises:
        NotReady: no label is known by ``as_of``.
    """
    rates = base_rates.newest_rates(connection, label_of(model), as_of=as_of)
    if rates is None:
        raise NotReady(
            f"{model.model_id} may not score ({why}), and no label is known by {as_of.isoformat()} "
            "to take a base rate from; run: footfall build"
        )
    customers = base_rates.population(connection, label_of(model), as_of=as_of)
    context = _Context(model, as_of, score_set, why, now, rates)
    return copy_scores(connection, context.rows(customers)), 0


@dataclass(frozen=True)
class _Context:
    """What all base rates of one model in one set share."""

    model: models.ModelRow
    as_of: datetime
    score_set: int
    why: str
    now: datetime
    rates: Rates

    def rows(self, customers: Sequence[Customer]) -> Iterator[ScoreRow]:
        import numpy as np

        from ml.features import fingerprints
        from ml.kinds import kind_of
        from ml.score import percentiles

        label = label_of(self.model)
        kind = kind_of(label)

        names = tuple(self.model.features)
        (nothing,) = fingerprints(np.full((1, len(names)), np.nan), names)
        told = [self._rate(customer.segment) for customer in customers]
        ranks = percentiles(np.array([rate for rate, _ in told], dtype=np.float64))
        expires_at = self.now + timedelta(hours=settings().score_ttl_hours)
        for customer, (rate, text), rank in zip(customers, told, ranks.tolist(), strict=True):
            margin = kind.margin_of(rate)
            probability, amount = label.prediction(rate)
            yield ScoreRow(
                score_set=self.score_set,
                model_id=self.model.model_id,
                customer_id=customer.customer_id,
                as_of=self.as_of,
                probability=probability,
                amount=amount,
                percentile=rank,
                margin=margin,
                base_value=margin,
                shap_values=[0.0] * len(names),
                feature_values=[None] * len(names),
                reasons=[{"theme": "base rate", "effect": "base rate", "text": text}],
                features_sha256=nothing,
                scored_at=self.now,
                expires_at=expires_at,
                fallback=self.why,
            )

    def _rate(self, segment: str | None) -> tuple[float, str]:
        """Return a segment's rate, and what it rests on."""
        from ml.kinds import kind_of

        happened, customers = self.rates.by_segment.get(segment, (0, 0))
        whom = f"in the segment {segment}" if segment else "without an order"
        if customers < LEAST_CUSTOMERS:
            happened, customers, whom = *self.rates.of_all, "in all"
        kind = kind_of(label_of(self.model))
        return kind.of_segment(happened, customers, f"{whom} on {self.rates.as_of.date()}")
