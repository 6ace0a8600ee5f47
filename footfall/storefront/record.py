"""The record that a shop reads: one flat Redis hash per customer and publication.

``ff:current`` holds the version of the live publication; the record of a customer lies at
``ff:<version>:c:<customer_id>``, what to show to others at ``ff:<version>:f:segment:<segment>`` and
``ff:<version>:f:popular``. Values are text: numbers, ISO 8601 instants in UTC, words, and
JSON where a field is a list or a mapping. A field that is not known is absent.

``schema`` counts breaking changes only. A reader ignores fields that it does not know, so that a
new field breaks nobody; it answers "unknown" to a schema newer than its own.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

SCHEMA = 1
CURRENT_KEY = "ff:current"

Status = Literal["fresh", "unknown"]
Why = Literal["unpublished", "absent", "expired", "unreadable", "unavailable"]
Source = Literal["record", "segment", "popular", "caller"]

SCORES = ("purchase", "churn", "discount")
AMOUNTS = ("value",)
_NUMBERS = tuple(name + suffix for name in (*SCORES, *AMOUNTS) for suffix in ("", "_percentile"))
_TEXTS = ("segment", "version", "experiment", "arm")
_INSTANTS = ("as_of", "scored_at", "expires_at")
_json = json.JSONEncoder(ensure_ascii=False).encode
SHARED = (
    *("schema", "version", "as_of", "scored_at", "expires_at", "models", "experiment"),
    *("fallback", "fallback_reasons"),
)
"""What most records of a publication have in common; these fields come first."""
FIELDS = (*SHARED, *_NUMBERS, "segment", "arm", "reasons", "products")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known about one customer, or that nothing is.

    ``status`` is ``fresh`` or ``unknown``; ``why`` says why it is unknown: all is ``unpublished``,
    the customer ``absent``, the score ``expired``, the record ``unreadable`` to this client, or
    Redis ``unavailable``. An unknown profile carries no score, only the fallback ``products``.
    Probabilities are 0 to 1, percentiles 0 to 100; ``value`` is the net revenue expected within 90
    days, in the shop's currency; ``None`` where no model scored. With ``fallback`` some are base
    rates of the customer's segment, because no model may score now; ``fallback_reasons`` says which
    and why. ``products_from`` says whose the products are: the customer's ``record``, their
    ``segment``, what is ``popular``, or the ``caller``'s own list.
    """

    customer_id: str
    status: Status = "fresh"
    why: Why | None = None
    purchase: float | None = None
    purchase_percentile: float | None = None
    churn: float | None = None
    churn_percentile: float | None = None
    discount: float | None = None
    discount_percentile: float | None = None
    value: float | None = None
    value_percentile: float | None = None
    segment: str | None = None
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)
    products: Sequence[str] = ()
    as_of: datetime | None = None
    scored_at: datetime | None = None
    expires_at: datetime | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    fallback: bool = False
    fallback_reasons: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    experiment: str | None = None
    arm: str | None = None
    products_from: Source = "record"
    schema: int = SCHEMA

    @property
    def is_known(self) -> bool:
        """Whether there are scores to act on."""
        return self.status == "fresh"

    def line(self) -> str:
        """Return the profile in one readable line."""
        if self.expires_at is None or self.as_of is None:
            return f"{self.customer_id}: unknown ({self.why})"
        scores = [
            f"{name} {score:{shape}} "
            + ("(base rate)" if name in self.fallback_reasons else f"(percentile {percentile:.0f})")
            for name, score, percentile, shape in (
                ("purchase", self.purchase, self.purchase_percentile, ".3f"),
                ("churn", self.churn, self.churn_percentile, ".3f"),
                ("discount", self.discount, self.discount_percentile, ".3f"),
                ("value", self.value, self.value_percentile, ".2f"),
            )
            if score is not None and percentile is not None
        ]
        return (
            f"{self.customer_id}: {', '.join([self.segment or 'no segment', *scores])}; "
            f"as of {_instant_text(self.as_of)}, version {self.version}, "
            f"expires {_instant_text(self.expires_at)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the profile with JSON's types only; instants as ISO 8601."""
        facts = asdict(self)
        facts["products"] = list(self.products)
        facts["reasons"] = {model: list(words) for model, words in self.reasons.items()}
        for name in _INSTANTS:
            facts[name] = None if facts[name] is None else _instant_text(facts[name])
        return facts


def record_key(version: str, customer_id: str) -> str:
    """Return the key of one customer's record in one publication."""
    return f"ff:{version}:c:{customer_id}"


def fallback_key(version: str, segment: str | None = None) -> str:
    """Return the key of what to show to who has no record: of a segment, or popular with all."""
    return f"ff:{version}:f:popular" if segment is None else f"ff:{version}:f:segment:{segment}"


def encode(profile: Profile) -> dict[str, str]:
    """Return the flat hash of a profile; what is None is left out.

    Raises:
        ValueError: no version or expires_at, or a number that is not finite; names field and value.
    """
    if profile.version is None or profile.expires_at is None:
        missing = "version" if profile.version is None else "expires_at"
        raise ValueError(f"the record of {profile.customer_id} has no {missing}")
    numbers = {name: getattr(profile, name) for name in _NUMBERS}
    return encode_shared(
        version=profile.version,
        as_of=profile.as_of,
        scored_at=profile.scored_at,
        expires_at=profile.expires_at,
        models=profile.models,
        experiment=profile.experiment,
        fallback=profile.fallback,
        fallback_reasons=profile.fallback_reasons,
        schema=profile.schema,
    ) | encode_own(
        profile.customer_id,
        {name: number for name, number in numbers.items() if number is not None},
        segment=profile.segment,
        arm=profile.arm,
        reasons=_json(profile.reasons),
        products=_json(profile.products),
    )


def encode_shared(
    *,
    version: str,
    as_of: datetime | None,
    scored_at: datetime | None,
    expires_at: datetime,
    models: Mapping[str, str],
    experiment: str | None,
    fallback: bool,
    fallback_reasons: Mapping[str, str],
    schema: int = SCHEMA,
) -> dict[str, str]:
    """Return the part of a record that others have, too, in the order of ``SHARED``."""
    fields = {"schema": str(schema), "version": version}
    if as_of is not None:
        fields["as_of"] = _instant_text(as_of)
    if scored_at is not None:
        fields["scored_at"] = _instant_text(scored_at)
    fields["expires_at"] = _instant_text(expires_at)
    fields["models"] = _json(models)
    if experiment is not None:
        fields["experiment"] = experiment
    fields["fallback"] = "true" if fallback else "false"
    if fallback_reasons:
        fields["fallback_reasons"] = _json(fallback_reasons)
    return fields


def encode_own(
    customer_id: str,
    numbers: Mapping[str, float],
    *,
    segment: str | None,
    arm: str | None,
    reasons: str,
    products: str,
) -> dict[str, str]:
    """Return the part of a record that is one customer's alone, in the order of ``FIELDS``.

    Args:
        customer_id: whose it is, for the error.
        numbers: scores and percentiles by field, in the order of ``FIELDS``.
        segment: of the customer.
        arm: of the experiment.
        reasons: JSON: an object of lists of phrases by score.
        products: JSON: a list of product ids.

    Raises:
        ValueError: a number is not finite; names field and value.
    """
    fields = {}
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise ValueError(f"{name} of {customer_id} is {number}, no finite number")
        fields[name] = repr(float(number))
    if segment is not None:
        fields["segment"] = segment
    if arm is not None:
        fields["arm"] = arm
    fields["reasons"] = reasons
    fields["products"] = products
    return fields


def decode(
    customer_id: str,
    fields: Mapping[str, str],
    *,
    version: str | None,
    now: datetime,
    fallback_products: Sequence[str] = (),
) -> Profile:
    """Judge what Redis answered, and return it as a profile.

    Args:
        customer_id: whose record was asked for.
        fields: the hash, empty when there is none.
        version: the live publication; None when there is none.
        now: the instant at which the score has to be fresh still.
        fallback_products: what to show to a customer about whom nothing is known.

    Returns:
        A fresh profile, or an unknown one: never a score at or after its ``expires_at``, a record
        of another publication, or a schema that this client cannot read.
    """

    def nothing(why: Why) -> Profile:
        return unknown(customer_id, why, fallback_products)

    if version is None:
        return nothing("unpublished")
    if not fields:
        return nothing("absent")
    try:
        profile = _read(customer_id, fields)
    except (KeyError, ValueError, TypeError, AttributeError):
        return nothing("unreadable")
    if profile.schema > SCHEMA or profile.version != version or profile.expires_at is None:
        return nothing("unreadable")
    return profile if now < profile.expires_at else nothing("expired")


def unknown(customer_id: str, why: Why, fallback_products: Sequence[str] = ()) -> Profile:
    """Return the profile of a customer about whom nothing may be said."""
    return Profile(
        customer_id=customer_id,
        status="unknown",
        why=why,
        products=tuple(fallback_products),
        products_from="caller",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What to show to customers without a record, until ``expires_at``; best first."""

    products: Sequence[str]
    version: str
    expires_at: datetime


def encode_fallback(fallback: Fallback) -> dict[str, str]:
    """Return the flat hash of a fallback."""
    return {
        "schema": str(SCHEMA),
        "version": fallback.version,
        "products": _json(list(fallback.products)),
        "expires_at": _instant_text(fallback.expires_at),
    }


def decode_fallback(fields: Mapping[str, str], *, version: str) -> Fallback | None:
    """Return the fallback in a hash; None if there is none that can be read and is of ``version``.

    Whether it is over yet is for the caller to ask.
    """
    try:
        found = Fallback(
            products=tuple(str(product) for product in json.loads(fields["products"])),
            version=fields["version"],
            expires_at=_instant(fields["expires_at"]),
        )
        readable = int(fields["schema"]) <= SCHEMA
    except (KeyError, ValueError, TypeError):
        return None
    return found if readable and found.version == version else None


def _read(customer_id: str, fields: Mapping[str, str]) -> Profile:
    plain: dict[str, Any] = {
        name: read(fields[name])
        for names, read in ((_NUMBERS, float), (_TEXTS, str), (_INSTANTS, _instant))
        for name in names
        if name in fields
    }
    reasons = json.loads(fields.get("reasons", "{}"))
    return Profile(
        customer_id=customer_id,
        **plain,
        reasons={str(model): tuple(words) for model, words in reasons.items()},
        products=tuple(str(product) for product in json.loads(fields.get("products", "[]"))),
        models=dict(_shared(fields.get("models", "{}"))),
        fallback=fields.get("fallback") == "true",  # absent from records of before
        fallback_reasons=dict(_shared(fields.get("fallback_reasons", "{}"))),
        schema=int(fields["schema"]),
    )


@lru_cache(maxsize=64)  # a publication's records share these objects; each profile has its copy
def _shared(text: str) -> Any:
    return json.loads(text)


@lru_cache(maxsize=64)  # and their instants
def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@lru_cache(maxsize=64)
def _instant_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
