"""A scored shop, its storefront, and its publications."""

from collections.abc import Iterator

import pytest
from redis import Redis

from footfall.storefront.client import Storefront
from tests.publish.shop import Shop


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    shop = Shop.open(database)
    yield shop
    shop.connection.close()


@pytest.fixture
def storefront(redis_url: str) -> Iterator[Storefront]:
    with Storefront(redis_url, timeout=5, fallback_products=["gift-card"]) as storefront:
        yield storefront


@pytest.fixture
def keys(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
