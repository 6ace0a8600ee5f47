"""From a row of the warehouse to a customer's record, and to its line in the image of a version."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

import msgspec

from footfall.errors import BadArgument
from footfall.publish.bounds import Tally
from footfall.publish.bulk import Record, Shared
from footfall.settings import settings
from footfall.storefront.experiment import Experiment
from footfall.storefront.record import AMOUNTS, FIELDS, SCORES, encode_own, encode_shared
from footfall.warehouse.images import ImageRow, Images
from footfall.warehouse.records import SCORE_COLUMNS, RecordRow, ScoredBy

REASONS_PER_MODEL = 3
MOST_SHARED = 1000
_NUMBERS = (*SCORES, *AMOUNTS)


class Reason(msgspec.Struct):
    """A reason as ml.scores has it; what the record does not say is left out."""

    effect: str
    text: str


_read_reasons = msgspec.json.Decoder(list[Reason | str]).decode
_json = msgspec.json.Encoder(order="deterministic").encode


class Encoder:
    """Makes the records of one version; the shared part of equal ones only once."""

    def __init__(self, version: int, as_of: datetime, models: Sequence[ScoredBy]) -> None:
        """Read the experiment from the settings.

        Raises:
            BadArgument: the setting of an experiment's arms is none.
        """
        self._version = str(version)
        self._as_of = as_of
        self._models = models
        self._experiment = _experiment()
        self._shared: dict[tuple[object, ...], tuple[Shared, str]] = {}
        order = {name: place for place, name in enumerate(_NUMBERS)}
        self._columns = [
            (model.name, f"{model.name}_percentile" if model.name in order else None, at)
            for at, model in sorted(
                ((at * SCORE_COLUMNS, model) for at, model in enumerate(models)),
                key=lambda one: (order.get(one[1].name, len(order)), one[1]),
            )
        ]

    def records(self, rows: Iterable[RecordRow], tally: Tally, add: Images) -> Iterator[Record]:
        """Yield each row's record; count it, and give its line of the image to ``add``."""
        for row in rows:
            numbers, reasons, fallback = self._scores(row)
            shared, shared_text = self._shared_part(row, tuple(reasons), tuple(fallback.items()))
            own = encode_own(
                row.customer_id,
                numbers,
                segment=row.segment,
                arm=self._experiment.arm(row.customer_id) if self._experiment else None,
                reasons=_json(reasons).decode(),
                products=row.products,
            )
            sha1 = _digest(shared, shared_text, own)
            tally.add(numbers, row.segment, bool(fallback))
            add(ImageRow(row.customer_id, row.content, sha1, row.segment or "", row.expires_at))
            yield Record(row.customer_id, shared, own, sha1)

    def _scores(
        self, row: RecordRow
    ) -> tuple[dict[str, float], dict[str, list[str]], dict[str, str]]:
        """Return the numbers by field, the reasons in words and what is a base rate, by model."""
        numbers: dict[str, float] = {}
        reasons: dict[str, list[str]] = {}
        fallback: dict[str, str] = {}
        scores = row.scores
        for name, percentile, at in self._columns:
            prediction = scores[at]
            if prediction is None:
                continue
            if percentile is not None:
                numbers[name] = prediction
                numbers[percentile] = scores[at + 1]
            reasons[name] = [
                reason if isinstance(reason, str) else f"{reason.effect}: {reason.text}"
                for reason in _read_reasons(scores[at + 2])[:REASONS_PER_MODEL]
            ]
            if scores[at + 3]:
                fallback[name] = scores[at + 3]
        return numbers, reasons, fallback

    def _shared_part(
        self, row: RecordRow, scored: tuple[str, ...], fallback: tuple[tuple[str, str], ...]
    ) -> tuple[Shared, str]:
        """Return what a record shares, and its text for the digest."""
        key = (row.scored_at, row.expires_at, scored, fallback)
        found = self._shared.get(key)
        if found is None:
            if len(self._shared) >= MOST_SHARED:
                self._shared.clear()
            fields = encode_shared(
                version=self._version,
                as_of=self._as_of,
                scored_at=row.scored_at,
                expires_at=row.expires_at,
                models={m.name: m.model_id for m in self._models if m.name in scored},
                experiment=self._experiment.name if self._experiment else None,
                fallback=bool(fallback),
                fallback_reasons=dict(sorted(fallback)),
            )
            text = "\0".join(chain.from_iterable(fields.items()))
            found = self._shared[key] = (Shared(fields, row.expires_at), text)
        return found


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


def _digest(shared: Shared, shared_text: str, own: dict[str, str]) -> bytes:
    """Return a record's SHA-1 as the server's ``ff_digest`` computes it."""
    size = len(shared.fields) + len(own)
    text = "\0".join((str(size), shared_text, *chain.from_iterable(own.items())))
    return hashlib.sha1(text.encode(), usedforsecurity=False).digest()


def _experiment() -> Experiment | None:
    given = settings()
    if not given.experiment:
        return None
    try:
        return Experiment.parse(given.experiment, given.experiment_arms)
    except ValueError as error:
        raise BadArgument(f"FOOTFALL_EXPERIMENT_ARMS: {error}") from None
