"""Turn one record of the catalog's topic into a fact about a product, or say why it is none.

Pure: no clock, no database; the same record gives the same answer.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Never

import msgspec
from msgspec import Meta

from footfall.events.envelope import MAX_AMOUNT, Id, text_id
from footfall.events.event import Reason, Reject
from footfall.events.instants import parse_instant
from footfall.events.json_text import parse
from footfall.events.native import FUTURE_TOLERANCE, Refused

LARGEST = 2**63 - 1  # Postgres' bigint

Price = (
    Annotated[int, Meta(ge=0, le=int(MAX_AMOUNT))]
    | Annotated[float, Meta(ge=0, le=MAX_AMOUNT)]
    | Annotated[str, Meta(pattern=r"\A(\+?[0-9]{1,12}(\.[0-9]{1,30})?)?\Z")]
    | None
)
# Exporters write whole numbers as 3.0 and as "3"; "" is like null.
Whole = int | float | Annotated[str, Meta(pattern=r"\A([+-]?[0-9]{1,19})?\Z")] | None


class Product(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fact about a product, as the table ``raw.product_versions`` keeps it.

    ``updated_at`` is the fact's own time, else the record's. ``payload`` is the record's value,
    byte for byte; Postgres accepts it as jsonb. None: the fact is that the product was deleted at
    ``updated_at``, and the fields are None.
    """

    product_id: str
    updated_at: datetime
    received_at: datetime
    version: int | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    stock: int | None = None
    payload: bytes | None = None


class Fact(msgspec.Struct, gc=False):
    """The fields that have a meaning; a fact's other fields are kept as they are."""

    product_id: Id = None
    version: Whole = None
    updated_at: str | None = None
    name: str | None = None
    category: str | None = None
    brand: str | None = None
    price: Price = None
    currency: str | None = None
    stock: Whole = None


FIELDS = Fact.__struct_fields__


def decode_product(
    key: bytes | None, value: bytes | None, *, received_at: datetime
) -> Product | Reject:
    """Return the fact that the record holds, or the reason why it holds none. Never raises.

    Args:
        key: the Kafka record's key, the product's id; None is unknown.
        value: the Kafka record's value; None is a tombstone: the product was deleted.
        received_at: the Kafka record's time stamp.
    """
    try:
        keyed = _key(key)
        if value is None:
            return _deletion(keyed, received_at)
        parsed = parse(value)
        return parsed if isinstance(parsed, Reject) else _fact(keyed, value, parsed, received_at)
    except Refused as refused:
        return Reject(reason=refused.reason, detail=refused.detail)


def _key(key: bytes | None) -> str | None:
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        _refuse(Reason.BAD_KEY, f"the key {key[:40]!r} is not UTF-8")
    if "\0" in text:
        _refuse(Reason.BAD_KEY, "the key holds U+0000, which Postgres cannot store")
    return _id(text, "the key")


def _deletion(keyed: str | None, received_at: datetime) -> Product:
    if keyed is None:
        _refuse(Reason.MISSING_PRODUCT_ID, "a record without a value needs the product's id as key")
    return Product(product_id=keyed, updated_at=received_at, received_at=received_at)


def _fact(keyed: str | None, value: bytes, parsed: Any, received_at: datetime) -> Product:
    if not isinstance(parsed, dict):
        _refuse(Reason.BAD_FIELD, "a fact about a product is a JSON object")
    try:
        fact = msgspec.convert(parsed, Fact)
    except msgspec.ValidationError as error:
        _refuse(Reason.BAD_FIELD, str(error))
    product_id = _id(fact.product_id, "product_id")
    if product_id is None:
        _refuse(Reason.MISSING_PRODUCT_ID, "product_id is missing or empty")
    if keyed not in (None, product_id):
        _refuse(Reason.BAD_KEY, f"the key {keyed!r} is not the product_id {product_id!r}")
    return Product(
        product_id=product_id,
        version=_whole(fact.version, "version"),
        updated_at=_time(fact.updated_at, received_at),
        received_at=received_at,
        name=_said(fact.name),
        category=_said(fact.category),
        brand=_said(fact.brand),
        price=Decimal(str(fact.price)) if fact.price not in (None, "") else None,
        currency=_said(fact.currency),
        stock=_whole(fact.stock, "stock"),
        payload=value,
    )


def _id(value: Id, field: str) -> str | None:
    try:
        return text_id(value)
    except ValueError as error:
        _refuse(Reason.BAD_ID, f"{field}: {error}")


def _whole(value: Whole, field: str) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, float) and not value.is_integer():
        _refuse(Reason.BAD_FIELD, f"{field} is {value}, no whole number")
    number = int(value)
    if abs(number) > LARGEST:
        _refuse(Reason.NUMBER_OUT_OF_RANGE, f"{field} is {value}; at most {LARGEST}")
    return number


def _time(text: str | None, received_at: datetime) -> datetime:
    if not text:
        return received_at
    try:
        at = parse_instant(text)
    except ValueError as error:
        _refuse(Reason.BAD_TIME, f"updated_at: {error}")
    if at > received_at and at - received_at > FUTURE_TOLERANCE:
        _refuse(
            Reason.IN_THE_FUTURE,
            f"updated_at {at.isoformat()} is more than a day after {received_at.isoformat()}",
        )
    return at


def _said(text: str | None) -> str | None:
    return text or None


def _refuse(reason: Reason, detail: str) -> Never:
    raise Refused(reason, detail) from None
