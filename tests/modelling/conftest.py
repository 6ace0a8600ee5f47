"""A shop in the test's own database."""

from collections.abc import Iterator

import pytest

from tests.modelling.shop import Shop


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    shop = Shop(database)
    yield shop
    shop.connection.close()
