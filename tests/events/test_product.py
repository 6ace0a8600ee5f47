"""A record of the catalog is a fact about a product, a deletion, or is refused for a reason."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from footfall.events.event import Reason, Reject
from footfall.events.product import Product, decode_product

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def decode(key: bytes | None = b"p-1", **fields: Any) -> Product | Reject:
    value = msgspec.json.encode({"product_id": "p-1"} | fields)
    return decode_product(key, value, received_at=NOON)


def decoded(**fields: Any) -> Product:
    product = decode(**fields)
    assert isinstance(product, Product)
    return product


def test_a_fact_is_read_field_by_field_and_kept_byte_for_byte() -> None:
    value = (
        b'{"product_id": "p-1", "version": 7, "updated_at": "2026-05-01T10:00:00+02:00",'
        b' "name": "Shoe", "category": "shoes", "brand": "Acme", "price": 19.9,'
        b' "currency": "EUR", "stock": 3, "sizes": [41]}'
    )
    assert decode_product(b"p-1", value, received_at=NOON) == Product(
        product_id="p-1",
        version=7,
        updated_at=datetime(2026, 5, 1, 8, tzinfo=UTC),
        received_at=NOON,
        name="Shoe",
        category="shoes",
        brand="Acme",
        price=Decimal("19.9"),
        currency="EUR",
        stock=3,
        payload=value,
    )


def test_a_record_without_a_value_is_a_deletion_at_its_time_stamp() -> None:
    deletion = decode_product(b"p-1", None, received_at=NOON)
    assert deletion == Product(product_id="p-1", updated_at=NOON, received_at=NOON)


def test_a_fact_without_a_time_has_that_of_its_record() -> None:
    assert [decoded(updated_at=text).updated_at for text in (None, "")] == [NOON, NOON]


@pytest.mark.parametrize(
    ("sent", "read"), [(3, 3), (3.0, 3), ("3", 3), (-3, -3), ("", None), (None, None)]
)
def test_whole_numbers_are_read_however_they_are_written(sent: Any, read: int | None) -> None:
    product = decoded(stock=sent, version=sent)
    assert (product.stock, product.version) == (read, read)


@pytest.mark.parametrize(
    ("sent", "read"), [(20, "20"), (19.9, "19.9"), ("19.90", "19.90"), (1e-9, "1E-9"), (0, "0")]
)
def test_a_price_is_read_exactly(sent: Any, read: str) -> None:
    assert decoded(price=sent).price == Decimal(read)


def test_empty_text_is_not_said() -> None:
    product = decoded(name="", brand=None, price="", currency="")
    assert {product.name, product.brand, product.price, product.currency} == {None}


def test_an_id_may_be_a_number_and_the_key_unknown() -> None:
    assert decoded(key=b"12", product_id=12).product_id == "12"
    assert decoded(key=None).product_id == "p-1"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"product_id": None}, Reason.MISSING_PRODUCT_ID),
        ({"product_id": " "}, Reason.MISSING_PRODUCT_ID),
        ({"product_id": "x" * 256}, Reason.BAD_ID),
        ({"product_id": ["p-1"]}, Reason.BAD_FIELD),
        ({"product_id": "p-2"}, Reason.BAD_KEY),
        ({"key": b"\xff"}, Reason.BAD_KEY),
        ({"key": b"p\0"}, Reason.BAD_KEY),
        ({"name": 5}, Reason.BAD_FIELD),
        ({"name": "p\0"}, Reason.NUL_CHARACTER),
        ({"price": "19,90 €"}, Reason.BAD_FIELD),
        ({"price": -1}, Reason.BAD_FIELD),
        ({"price": True}, Reason.BAD_FIELD),
        ({"price": 1e13}, Reason.BAD_FIELD),
        ({"stock": 2.5}, Reason.BAD_FIELD),
        ({"version": "v7"}, Reason.BAD_FIELD),
        ({"version": 2**63}, Reason.NUMBER_OUT_OF_RANGE),
        ({"updated_at": "yesterday"}, Reason.BAD_TIME),
        ({"updated_at": 1_777_000_000}, Reason.BAD_FIELD),
        ({"updated_at": "2026-05-02T12:00:01Z"}, Reason.IN_THE_FUTURE),
    ],
)
def test_what_is_no_fact_is_refused_with_its_reason(fields: dict[str, Any], reason: Reason) -> None:
    refused = decode(**fields)
    assert isinstance(refused, Reject)
    assert refused.reason == reason
    assert refused.detail


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, None, Reason.MISSING_PRODUCT_ID),
        (b"", None, Reason.MISSING_PRODUCT_ID),
        (b"p-1", b"", Reason.EMPTY_VALUE),
        (b"p-1", b"{", Reason.MALFORMED_JSON),
        (b"p-1", b"[]", Reason.BAD_FIELD),
    ],
)
def test_what_cannot_be_read_is_refused(
    key: bytes | None, value: bytes | None, reason: Reason
) -> None:
    refused = decode_product(key, value, received_at=NOON)
    assert isinstance(refused, Reject)
    assert refused.reason == reason
