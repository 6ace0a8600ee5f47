"""From a row of the warehouse to a customer's record, and to its line in the image of a version."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from footfall.errors import BadArgument
from footfall.publish.bounds import Tally
from footfall.publish.store import Record, digest
from footfall.settings import settings
from footfall.storefront.experiment import Experiment
from footfall.storefront.record import AMOUNTS, FIELDS, SCORES, Profile, encode
from footfall.warehouse.images import ImageRow, Images
from footfall.warehouse.records import RecordRow

REASONS_PER_MODEL = 3


def records(
    version: int, as_of: datetime, rows: Iterator[RecordRow], tally: Tally, add: Images
) -> Iterator[Record]:
    """Yield each row's record; count it, and give its line of the image to ``add``.

    Raises:
        BadArgument: the setting of an experiment's arms is none.
    """
    experiment = _experiment()
    for row in rows:
        fields = _fields(version, as_of, row, experiment)
        tally.add(
            {name: score["prediction"] for name, score in row.scores.items()},
            row.segment,
            fields["fallback"] == "true",
        )
        add(
            ImageRow(
                row.customer_id, row.content, digest(fields), row.segment or "", row.expires_at
            )
        )
        yield row.customer_id, fields, row.expires_at


def new_tally() -> Tally:
    """Return a tally of records as this code writes them."""
    return Tally(layout())


def layout() -> tuple[str, ...]:
    """Return what all records depend on: the fields that there are, and the experiment, if any."""
    given = settings()
    return (
        *FIELDS,
        *([f"{given.experiment}: {given.experiment_arms}"] if given.experiment else []),
    )


def _experiment() -> Experiment | None:
    given = settings()
    if not given.experiment:
        return None
    try:
        return Experiment.parse(given.experiment, given.experiment_arms)
    except ValueError as error:
        raise BadArgument(f"FOOTFALL_EXPERIMENT_ARMS: {error}") from None


def _fields(
    version: int, as_of: datetime, row: RecordRow, experiment: Experiment | None
) -> dict[str, str]:
    scores = row.scores
    numbers = {
        name + suffix: scores[name][column]
        for name in (*SCORES, *AMOUNTS)
        if name in scores
        for suffix, column in (("", "prediction"), ("_percentile", "percentile"))
    }
    fallback = {name: why for name, score in sorted(scores.items()) if (why := score["fallback"])}
    return encode(
        Profile(
            customer_id=row.customer_id,
            version=str(version),
            **numbers,
            segment=row.segment,
            reasons={name: _words(score["reasons"]) for name, score in sorted(scores.items())},
            products=tuple(str(product) for product in row.products),
            as_of=as_of,
            scored_at=row.scored_at,
            expires_at=row.expires_at,
            models={name: score["model_id"] for name, score in sorted(scores.items())},
            experiment=experiment.name if experiment else None,
            arm=experiment.arm(row.customer_id) if experiment else None,
            fallback=bool(fallback),
            fallback_reasons=fallback,
        )
    )


def _words(reasons: Sequence[str | Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the strongest reasons, each as one phrase."""
    return tuple(
        reason if isinstance(reason, str) else f"{reason['effect']}: {reason['text']}"
        for reason in reasons[:REASONS_PER_MODEL]
    )
