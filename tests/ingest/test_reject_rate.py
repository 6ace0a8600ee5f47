"""A load that is mostly garbage stops before its commit; bad records among good ones do not."""

import pytest

from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.ingest.reject_rate import FEWEST, TooManyRejects
from tests.conftest import set_environment
from tests.events.envelopes import encode, order, track
from tests.ingest.conftest import Query, Send

GARBAGE = [b"{"] * FEWEST


def good(count: int) -> list[bytes]:
    return [encode(order(f"o-{number}")) for number in range(count)]


def test_mostly_garbage_is_not_loaded_and_the_topic_is_named(
    environment: dict[str, str], topic: str, send: Send, query: Query
) -> None:
    send([*good(FEWEST - 1), *GARBAGE])
    said = rf"1,000 of 1,999 records of {topic} .*1,000 times malformed_json.*MOST_REJECTED=1"
    for _ in range(2):
        with pytest.raises(TooManyRejects, match=said):
            ingest_until_caught_up()
    for table in ("events", "rejected_events", "loads", "partition_offsets"):
        assert query(f"select count(*) from raw.{table}") == [(0,)]


def test_it_is_set_aside_if_the_setting_says_so(
    environment: dict[str, str], send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    send([*good(10), *GARBAGE])
    set_environment(monkeypatch, most_rejected=1)
    done = ingest_until_caught_up()
    assert (done.stored, done.rejected) == (10, FEWEST)


@pytest.mark.parametrize(
    "bad",
    [GARBAGE[1:], [encode(track("Unheard Of", messageId=f"m-{n}")) for n in range(2 * FEWEST)]],
    ids=["a few", "unknown names"],
)
def test_a_few_bad_records_or_unknown_names_stop_nothing(
    environment: dict[str, str], send: Send, bad: list[bytes]
) -> None:
    send([*good(10), *bad])
    done = ingest_until_caught_up()
    assert (done.stored, done.rejected) == (10, len(bad))
