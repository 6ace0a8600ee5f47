"""What Footfall accepts as JSON, Postgres accepts as jsonb."""

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from footfall.events.decode import decode
from footfall.events.envelope import read_plain_envelope
from footfall.events.event import Event, Reject
from footfall.events.json_text import needs_close_look, parse
from tests.events.envelopes import FIRST_DAY, NOON
from tests.events.fuzz_decoder import NOW, changed_records

# Pieces that the two readers of JSON are likely to disagree on, in texts, keys and numbers.
fragments = st.sampled_from(
    [*"0123456789", "00", "0" * 350, "9" * 150, ".", "-", "+", "e", "E", "e-", "e300", "e-300"]
    + ["e-4000", "e-20000", "\\u0000", "\\\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00"]
    + ["\\u00", "\\n", "\\/", "\\x", "\n", "\x01", "\x7f", "\ufeff", "\uffff", "é", "😀", "NaN"]
    + ['"', "{", "}", "[", "]", ",", ":", "true", "null", "Infinity", " ", "\t"]
)
texts = st.lists(fragments, max_size=8).map("".join)
numbers = st.lists(
    st.sampled_from(
        [*"0123456789.-+eE", "0" * 100, "9" * 199, "0" * 350, "9" * 350, "e99", "e100"]
    ),
    max_size=9,
).map("".join)
nested = st.integers(min_value=0, max_value=200).map(lambda n: "[" * n + "]" * n)
values = st.one_of(
    texts,
    texts.map('{{"a":"{0}"}}'.format),
    texts.map('{{"{0}":1}}'.format),
    numbers.map('{{"a":{0}}}'.format),
    nested,
).map(lambda text: text.encode())

broken = st.sampled_from([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
members = st.one_of(
    texts.map('"x":"{0}"'.format),
    texts.map('"{0}":1'.format),
    numbers.map('"x":{0}'.format),
    numbers.map('"x" : [ 1,{0}\n]'.format),
    numbers.map('"price":{0}'.format),
    nested.map('"x":{0}'.format),
    st.sampled_from(['"userId":"bob"', '"properties":{"price":1}', '"type":"page"']),
    st.sampled_from(['"x":tru', '"x":01', '"x":+1', '"x":.5', '"x":1.', '"x":1,', '"x":nul']),
).map(lambda text: text.encode()) | broken.map(b'"x":"%s"'.__mod__)
places = st.sampled_from(
    [b"%s", b'"skipped":{%s}', b'"properties":{%s}', b'"context":{%s}', b'"traits":{%s}']
    + [b'"properties":{"products":[{%s}]}', b'"context":{"consent":{%s}}']
)
envelopes = st.lists(
    st.tuples(places, members).map(lambda placed: placed[0] % placed[1]), max_size=3
).map(
    lambda added: (
        b"{%s}"
        % b",".join(
            [b'"type":"page","messageId":"m","userId":"u","timestamp":"2017-06-01"', *added]
        )
    )
)


DEEP = b"[" * 900 + b"]" * 900


@pytest.fixture
def postgres(database: str) -> psycopg.Connection[tuple[object, ...]]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def stores(postgres: psycopg.Connection[tuple[object, ...]], value: bytes) -> bool:
    row = postgres.execute("select %s::text::jsonb is not null", (value.decode(),)).fetchone()
    return row == (True,)


@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=values | st.binary(max_size=20))
def test_what_is_accepted_postgres_stores(
    postgres: psycopg.Connection[tuple[object, ...]], value: bytes
) -> None:
    if not isinstance(parse(value), Reject):
        assert stores(postgres, value)


@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=envelopes)
@example(
    b'{"type":"page","messageId":"m","userId":"u","timestamp":"2017-06-01","x":"\\u0000","x":1}'
)
@example(
    b'{"type":"page","messageId":"m","userId":"u","timestamp":"2017-06-01","x":%s,"x":1}' % DEEP
)
def test_an_accepted_event_postgres_stores(
    postgres: psycopg.Connection[tuple[object, ...]], value: bytes
) -> None:
    if isinstance(decode(value, received_at=NOON, first_day=FIRST_DAY), Event):
        assert stores(postgres, value)


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=changed_records())
def test_what_an_accepted_event_is_mapped_to_postgres_stores(
    postgres: psycopg.Connection[tuple[object, ...]], value: bytes
) -> None:
    result = decode(value, received_at=NOW, first_day=FIRST_DAY)
    if isinstance(result, Reject):
        return
    for event in [result] if isinstance(result, Event) else result:
        assert stores(postgres, event.payload)
        assert event.mapped is None or stores(postgres, event.mapped)


@settings(max_examples=1500, deadline=None)
@given(value=envelopes)
@example(b'{"x":1e100}')
@example(b'{"x":[-1.5E-999 ]}')
@example(b'{"x":1e+308\t}')
@example(b'{"x":%s}' % (b"9" * 200))
@example(b'{"x":0.%s}' % (b"1" * 401))
@example(b'{"x":%se99}' % (b"9" * 250))
@example(b'{"x":"\\u0000"}')
@example(b'{"\\u0000":1}')
@example(b'{"x":"\xff"}')
@example(b'{"\xed\xa0\x80":1}')
@example(b'{"x":%s1%s}' % (b"[" * 65, b"]" * 65))
def test_what_needs_no_close_look_passes_one(value: bytes) -> None:
    try:
        read_plain_envelope(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if not needs_close_look(value):
        assert not isinstance(parse(value), Reject)


@pytest.mark.parametrize(
    "value",
    [
        b'{"a":"e123","id":"7ed4-d57b-1e2f","price":15.37,"quantity":1}',
        b'{"a":"\xc3\xa9 \\n \\u00e9","n":[1,2.5,-3,1e10,%s]}' % (b"9" * 150),
        b'{"a":%s1%s}' % (b"[" * 60, b"]" * 60),
    ],
)
def test_an_ordinary_value_needs_no_close_look(value: bytes) -> None:
    assert not needs_close_look(value)
