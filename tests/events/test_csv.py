"""A CSV file becomes native events by a mapping file; no row is lost."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import BadArgument
from footfall.events.decode import decode
from footfall.events.event import Event, Message, Reason, Reject
from footfall.events.sources import open_source
from tests.events.envelopes import FIRST_DAY

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)
VIEW = "2019-10-01 00:00:01 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,s-1"
CART = "2019-10-01 00:00:02 UTC,cart,44600062,2103807459595387724,,shiseido,35.79,541312140,s-1"
DROP = CART.replace("cart", "remove_from_cart")
SALE = (
    "2019-10-01 00:00:09 UTC,purchase,1004856,2053013555631882655,"
    'electronics.smartphone,"Samsung, Inc.",130.76,541312140,s-1'
)


def write(path: Path, *rows: str | bytes) -> Path:
    lines = [row.encode() if isinstance(row, str) else row for row in (HEADER, *rows)]
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")
    return path


def replayed(path: Path, mapping: str = "rees46", **options: Any) -> Iterator[Message]:
    return open_source(str(path), mapping=mapping, **options)


def loaded(path: Path, mapping: str = "rees46") -> list[Event | Reject]:
    read = []
    for message in replayed(path, mapping):
        result = decode(message.value, received_at=NOW, first_day=FIRST_DAY)
        assert not isinstance(result, list)
        read.append(result)
    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "log.csv", VIEW, CART, DROP, SALE, SALE)


def test_rows_become_native_events_in_the_files_order(file: Path) -> None:
    events = [event for event in loaded(file) if isinstance(event, Event)]
    assert [event.event_name for event in events] == [
        *("product_view", "add_to_cart", "remove_from_cart", "purchase", "purchase")
    ]
    assert {event.customer_ref for event in events} == {"u:541312140"}
    assert [event.occurred_at.second for event in events] == [1, 2, 2, 9, 9]
    sale = msgspec.json.decode(events[3].payload)
    assert sale["properties"] == {
        "order_id": "s-1:2019-10-01 00:00:09 UTC:1004856",
        "product_id": "1004856",
        "category": "electronics.smartphone",
        "category_id": "2053013555631882655",
        "brand": "Samsung, Inc.",
        "price": "130.76",
        "quantity": 1,
    }


def test_the_row_and_its_mapping_go_along(file: Path) -> None:
    first = next(replayed(file))
    assert (first.key, first.occurred_at) == (
        b"541312140",
        datetime(2019, 10, 1, 0, 0, 1, tzinfo=UTC),
    )
    context = msgspec.json.decode(first.value or b"")["context"]
    assert context["sessionId"] == "s-1"
    assert context["mapping"] == {"name": "rees46", "version": 1}
    assert context["row"] == dict(zip(HEADER.split(","), VIEW.split(","), strict=True))


def test_rows_that_are_equal_are_one_event(file: Path) -> None:
    events = loaded(file)
    assert len({event.message_id for event in events if isinstance(event, Event)}) == 4


def test_a_packed_file_says_the_same(file: Path) -> None:
    packed = file.with_name("log.csv.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert list(replayed(packed)) == list(replayed(file))


def test_a_window_and_a_limit_hold_for_rows(file: Path) -> None:
    later = datetime(2019, 10, 1, 0, 0, 2, tzinfo=UTC)
    assert len(list(replayed(file, since=later))) == 4
    assert len(list(replayed(file, until=later))) == 1
    assert len(list(replayed(file, limit=2))) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (VIEW + ",more", Reason.UNKNOWN_DIALECT),
        (VIEW.replace("shiseido", '"shi"seido'), Reason.MALFORMED_JSON),
        (VIEW.encode().replace(b"shiseido", b"shi\xffseido"), Reason.INVALID_UTF8),
        (VIEW.replace("shiseido", "shi\0seido"), Reason.NUL_CHARACTER),
        (VIEW.replace("view", "gaze"), Reason.UNKNOWN_EVENT),
        (VIEW.replace("35.79", "35,79 €".replace(",", ".")), Reason.BAD_FIELD),
        (VIEW.replace("2019-10-01 00:00:01 UTC", "yesterday"), Reason.BAD_TIME),
        (VIEW.replace("2019-10-01 00:00:01 UTC", ""), Reason.MISSING_TIME),
        (VIEW.replace("541312140,s-1", ","), Reason.MISSING_CUSTOMER),
        ("2019-10-01 00:00:01 UTC,view", Reason.MISSING_CUSTOMER),
    ],
)
def test_a_row_that_is_no_event_is_sent_and_set_aside(
    tmp_path: Path, row: str | bytes, reason: Reason
) -> None:
    first, second, third = loaded(write(tmp_path / "log.csv", VIEW, row, SALE))
    assert isinstance(first, Event)
    assert isinstance(second, Reject)
    assert second.reason == reason
    assert isinstance(third, Event)


def test_a_short_row_lacks_only_its_last_columns(tmp_path: Path) -> None:
    (event,) = loaded(write(tmp_path / "log.csv", VIEW.removesuffix(",s-1")))
    assert isinstance(event, Event)
    assert event.user_id == "541312140"


def test_a_quote_that_never_ends_loses_nothing(tmp_path: Path) -> None:
    rows = [VIEW.replace("shiseido", '"shiseido')] + [SALE] * 3000
    path = write(tmp_path / "log.csv", *rows)
    sent = [message.value or b"" for message in replayed(path)]
    assert sum(value.count(b"purchase") >= 1 for value in sent) > 1
    assert sum(value.count(b"541312140") for value in sent) >= 3001


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=11), max_size=6))
def test_each_row_of_any_text_is_sent_once(tmp_path_factory: Any, rows: list[list[str]]) -> None:
    import csv

    path = tmp_path_factory.mktemp("rows") / "log.csv"
    with path.open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.split(","))
        writer.writerows(rows)
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows_there = sum(1 for row in csv.reader(file) if row) - 1
    assert len(list(replayed(path))) == rows_there


TILL = """
dialect: till
version: 1
name: "'sale'"
events: {purchase: [sale]}
message_id: [{id: bon}]
envelope:
  userId: card
  timestamp: {$time: at, $format: "%d/%m/%Y %H:%M"}
  properties: {order_id: bon, total: total}
csv: {delimiter: ";", columns: [bon, card, at, total]}
"""


def test_a_file_without_header_has_its_columns_in_the_mapping(tmp_path: Path) -> None:
    mapping = tmp_path / "till.yml"
    mapping.write_text(TILL)
    path = tmp_path / "till.csv"
    path.write_text("17;900;31/12/2019 23:59;12.50\n\n18;901;1/1/2020 0:01;7\n")
    first, second = loaded(path, str(mapping))
    assert isinstance(first, Event)
    assert (first.message_id, first.customer_ref, first.event_name) == ("17", "u:900", "purchase")
    assert first.occurred_at == datetime(2019, 12, 31, 23, 59, tzinfo=UTC)
    assert isinstance(second, Event)


def test_a_bom_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\n{VIEW}\n", encoding="utf-8-sig")
    (event,) = loaded(path)
    assert isinstance(event, Event)


def test_an_empty_file_has_no_events(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"")
    assert loaded(path) == []


def test_what_cannot_be_replayed_is_a_bad_argument(tmp_path: Path, file: Path) -> None:
    with pytest.raises(BadArgument, match=r"log\.csv needs a mapping file: --mapping"):
        open_source(str(file))
    with pytest.raises(BadArgument, match=r"--mapping is for FILE\.csv .* not for 'simulate'"):
        open_source("simulate", mapping="rees46")
    with pytest.raises(BadArgument, match=r"cannot read rees47: No such file"):
        replayed(file, "rees47")
    with pytest.raises(BadArgument, match=r"no\.csv: No such file"):
        replayed(tmp_path / "no.csv")
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(BadArgument, match=r"rees46\.yml reads the column 'brand', which .* a, b"):
        replayed(other)
    other.write_text(f"{HEADER},brand\n")
    with pytest.raises(BadArgument, match=r"names a column twice: .*csv\.columns"):
        replayed(other)
    half = tmp_path / "half.csv.gz"
    half.write_bytes(gzip.compress(file.read_bytes() * 100)[:-10])
    with pytest.raises(BadArgument, match=r"cannot read .*half\.csv\.gz"):
        list(replayed(half))
