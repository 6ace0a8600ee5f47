"""What Footfall accepts as JSON, Postgres accepts as jsonb."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footfall.events.event import Reject
from footfall.events.json_text import parse

# Pieces that the two readers of JSON are likely to disagree on, in texts, keys and numbers.
fragments = st.sampled_from(
    [*"0123456789", "00", "0" * 350, "9" * 150, ".", "-", "+", "e", "E", "e-", "e300", "e-300"]
    + ["e-4000", "e-20000", "\\u0000", "\\\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00"]
    + ["\\u00", "\\n", "\\/", "\\x", "\n", "\x01", "\x7f", "\ufeff", "\uffff", "é", "😀", "NaN"]
    + ['"', "{", "}", "[", "]", ",", ":", "true", "null", "Infinity", " ", "\t"]
)
texts = st.lists(fragments, max_size=8).map("".join)
numbers = st.lists(st.sampled_from([*"0123456789.-+eE", "0" * 350, "9" * 350]), max_size=9)
values = st.one_of(
    texts,
    texts.map('{{"a":"{0}"}}'.format),
    texts.map('{{"{0}":1}}'.format),
    numbers.map("".join).map('{{"a":{0}}}'.format),
    st.integers(min_value=0, max_value=200).map(lambda n: "[" * n + "]" * n),
).map(lambda text: text.encode())


@pytest.fixture
def postgres(database: str) -> psycopg.Connection[tuple[object, ...]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=values | st.binary(max_size=20))
def test_what_is_accepted_postgres_stores(
    postgres: psycopg.Connection[tuple[object, ...]], value: bytes
) -> None:
    if isinstance(parse(value), Reject):
        return
    row = postgres.execute("select %s::text::jsonb is not null", (value.decode(),)).fetchone()
    assert row == (True,)
