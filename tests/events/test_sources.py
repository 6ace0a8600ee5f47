"""Files as sources, and what cannot be a source."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from footfall.errors import BadArgument
from footfall.events.sources import open_source
from tests.events.envelopes import NOON, encode, envelope

LINES = [
    encode(envelope()),
    b'{ "type" : "page", "anonymousId": "a-1", "timestamp": "2017-06-03T00:00:00Z" }',
    b"garbage \xff",
    b"[1, 2]",
]
KEYS = [b"ann", b"a-1", None, None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\r\n".join(LINES) + b"\n\n")
    return path


def test_lines_are_sent_as_they_are_also_those_that_nobody_can_read(file: Path) -> None:
    messages = list(open_source(str(file)))
    assert [message.value for message in messages] == LINES
    assert [message.key for message in messages] == KEYS
    assert [message.occurred_at for message in messages] == [
        NOON,
        datetime(2017, 6, 3, tzinfo=UTC),
        None,
        None,
    ]


def test_a_packed_file_says_the_same(file: Path) -> None:
    packed = file.with_name("events.jsonl.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert list(open_source(str(packed))) == list(open_source(str(file)))


def test_a_line_without_time_belongs_to_every_window(file: Path) -> None:
    june_third = datetime(2017, 6, 3, tzinfo=UTC)
    after = [message.value for message in open_source(str(file), since=june_third)]
    before = [message.value for message in open_source(str(file), until=june_third)]
    assert after == LINES[1:]
    assert before == [LINES[0], *LINES[2:]]
    assert len(list(open_source(str(file), limit=3))) == 3


def test_what_cannot_be_a_source_is_a_bad_argument(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"unknown source 'telepathy'"):
        open_source("telepathy")
    with pytest.raises(BadArgument, match=r"no\.jsonl: No such file"):
        open_source(str(tmp_path / "no.jsonl"))
    with pytest.raises(BadArgument, match=r"reversed.*2017-06-01.*2016"):
        open_source("complete-journey", since=NOON, until=NOON.replace(year=2016))
    with pytest.raises(BadArgument, match=r"limit is -1"):
        open_source("complete-journey", limit=-1)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl.gz"
    path.write_bytes(gzip.compress(encode(envelope()) * 1000)[:-10])
    with pytest.raises(BadArgument, match=r"half\.jsonl\.gz"):
        list(open_source(str(path)))
