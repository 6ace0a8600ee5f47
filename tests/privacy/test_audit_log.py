"""The audit log shows every change made to it afterwards."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.privacy.audit_log import append, check_chain, verify
from footfall.warehouse.audit import FIRST, Entry, Head, entry_sha256

NOW = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
Connection = psycopg.Connection[Any]
texts = st.text(max_size=20)
acts = st.tuples(texts, texts, texts, texts, st.datetimes(timezones=st.just(UTC)))


def chain(count_or_acts: list[tuple[str, str, str, str, datetime]]) -> tuple[list[Entry], Head]:
    """Chain acts as the log does."""
    entries, previous = [], FIRST
    for number, (actor, act, subject, detail, at) in enumerate(count_or_acts, start=1):
        link = entry_sha256(
            at=at, actor=actor, act=act, subject=subject, detail=detail, previous=previous
        )
        entries.append(Entry(number, at, actor, act, subject, detail, previous, link))
        previous = link
    return entries, Head(len(entries), previous)


@given(st.lists(acts, max_size=6))
def test_a_chain_that_nobody_touched_is_intact(
    written: list[tuple[str, str, str, str, datetime]],
) -> None:
    entries, head = chain(written)

    checked = check_chain(entries, head)

    assert (checked.entries, checked.intact, checked.first_broken) == (len(written), True, None)


@given(st.lists(acts, min_size=1, max_size=6), st.data())
def test_an_edit_is_found_where_it_was_made(
    written: list[tuple[str, str, str, str, datetime]], data: st.DataObject
) -> None:
    entries, head = chain(written)
    at = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["actor", "act", "subject", "detail", "sha256"]))
    entries[at] = replace(entries[at], **{field: getattr(entries[at], field) + "!"})

    assert check_chain(entries, head).first_broken == at + 1


@given(st.lists(acts, min_size=1, max_size=6), st.data())
def test_a_deletion_is_found_wherever_it_was_made(
    written: list[tuple[str, str, str, str, datetime]], data: st.DataObject
) -> None:
    entries, head = chain(written)
    start = data.draw(st.integers(0, len(entries) - 1))
    end = data.draw(st.integers(start + 1, len(entries)))

    assert not check_chain(entries[:start] + entries[end:], head).intact


@given(st.lists(acts, min_size=2, max_size=6, unique=True), st.data())
def test_two_entries_swapped_are_found(
    written: list[tuple[str, str, str, str, datetime]], data: st.DataObject
) -> None:
    entries, head = chain(written)
    first = data.draw(st.integers(0, len(entries) - 2))
    entries[first], entries[first + 1] = entries[first + 1], entries[first]

    assert not check_chain(entries, head).intact


def test_fields_cannot_flow_into_each_other() -> None:
    one = entry_sha256(at=NOW, actor="a", act="bc", subject="", detail="", previous=FIRST)
    other = entry_sha256(at=NOW, actor="ab", act="c", subject="", detail="", previous=FIRST)

    assert one != other


# in Postgres -------------------------------------------------------------------------------------


def write(connection: Connection, count: int = 3) -> None:
    for number in range(count):
        append(
            connection,
            actor="ops",
            act="promote",
            subject=f"purchase-{number}",
            detail={"auc": 0.862, "because": "better é", "n": number, "list": [1e16, None, True]},
            now=NOW,
        )


def test_what_postgres_gives_back_verifies(connection: Connection) -> None:
    assert verify().intact
    write(connection)

    checked = verify()

    assert (checked.entries, checked.intact) == (3, True)
    last = connection.execute("select sha256 from privacy.audit_log order by entry_id desc limit 1")
    assert last.fetchone() == (checked.head_sha256,)


@pytest.mark.parametrize(
    ("tampering", "first_broken"),
    [
        ("update privacy.audit_log set actor = 'nobody' where entry_id = 2", 2),
        ("update privacy.audit_log set detail = '{}' where entry_id = 1", 1),
        ("update privacy.audit_log set at = at + interval '1 microsecond' where entry_id = 3", 3),
        ("delete from privacy.audit_log where entry_id = 1", 2),
        ("delete from privacy.audit_log where entry_id = 2", 3),
        ("delete from privacy.audit_log where entry_id = 3", 3),
        ("truncate privacy.audit_log", 1),
        ("delete from privacy.audit_head", 4),
    ],
)
def test_tampering_is_found(connection: Connection, tampering: str, first_broken: int) -> None:
    write(connection)
    connection.execute(tampering)

    checked = verify()

    assert (checked.intact, checked.first_broken) == (False, first_broken)


def test_an_entry_falls_with_its_act(connection: Connection) -> None:
    def act_and_fail() -> None:
        with connection.transaction():
            write(connection, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act_and_fail()
    write(connection, 1)

    assert (verify().entries, verify().intact) == (1, True)


def test_appenders_at_once_make_one_chain(database: str) -> None:
    def work() -> None:
        with psycopg.connect(database, autocommit=True) as own:
            write(own, 10)

    run_together([work] * 4)

    assert (verify().entries, verify().intact) == (40, True)


def run_together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
