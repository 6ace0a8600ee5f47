"""A connection to the test's own database."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection
