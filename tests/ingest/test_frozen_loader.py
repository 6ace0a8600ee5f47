"""A loader that stands still in the middle of its work and wakes late does no harm."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from footfall.errors import Fenced
from footfall.ingest.micro_batch import Ingested, ingest_until_caught_up
from footfall.warehouse import loads
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send
from tests.ingest.doomed_loader import line_of
from tests.ingest.loader_process import loading

TOTALS = "select sum(records_read), sum(stored), sum(duplicates), sum(rejected) from raw.loads"
BEFORE_ANY_LOCK = line_of("footfall/warehouse/loads.py", "load_id = _open_load(connection")
BEFORE_THE_OFFSETS = line_of("footfall/warehouse/loads.py", "offsets.move(connection")
WITH_THE_OFFSETS = line_of("footfall/warehouse/loads.py", "offsets.note_gaps(connection")
IN_THE_COPY = line_of("footfall/warehouse/events.py", "copy.write(TRAILER)")


@pytest.fixture
def sent(environment: dict[str, str], send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load 4 events, and send 900 others, 100 of them again, for batches of 250."""
    set_environment(monkeypatch, batch_records=250)
    send(encode(order(f"before-{n}")) for n in range(4))
    ingest_until_caught_up()
    send(encode(order(f"o-{n % 900}")) for n in range(1_000))


@pytest.mark.parametrize("place", [BEFORE_ANY_LOCK, BEFORE_THE_OFFSETS])
@pytest.mark.parametrize("batch", [1, 2])
def test_who_wakes_after_another_has_loaded_is_fenced_and_writes_nothing(
    sent: None, query: Query, place: str, batch: int
) -> None:
    with loading(f"--stop={place}", f"--visit={batch}") as frozen:
        frozen.await_stop()
        done = ingest_until_caught_up()
        assert done.records_read == 1_000 - 250 * (batch - 1)
        frozen.wake()
        _, said = frozen.end()
    assert said[-1].startswith("Fenced: another loader moved")
    assert query(TOTALS) == [(1_004, 904, 100, 0)]
    assert query("select count(*) from raw.events") == [(904,)]


def test_who_meets_a_loader_frozen_with_its_locks_waits_and_gives_way(
    sent: None, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, batch_records=2_000)

    def load() -> Ingested | None:
        try:
            return ingest_until_caught_up()
        except Fenced:
            return None

    with (
        loading(f"--stop={IN_THE_COPY}", "--loads=1") as frozen,
        ThreadPoolExecutor(1) as executor,
    ):
        frozen.await_stop()
        waiting = executor.submit(load)
        while not query(
            "select 1 from pg_stat_activity, pg_sleep(0.02)"
            " where datname = current_database() and wait_event_type = 'Lock'"
        ):
            assert not waiting.done()
        frozen.wake()
        code, _ = frozen.end()
        assert code == 0
        assert waiting.result() is None
    assert ingest_until_caught_up().records_read == 0
    assert query(TOTALS) == [(1_004, 904, 100, 0)]


def test_who_stands_still_in_its_transaction_is_ended_by_postgres_and_who_waits_goes_on(
    sent: None, query: Query
) -> None:
    with loading(f"--stop={WITH_THE_OFFSETS}", "--patience=1") as frozen:
        frozen.await_stop()
        assert ingest_until_caught_up().records_read == 1_000
        frozen.wake()
        _, said = frozen.end()
    assert said[-1].startswith("Fenced: this loader stood still for over 1 s in")
    assert query(TOTALS) == [(1_004, 904, 100, 0)]


def test_who_waits_for_a_loader_frozen_in_its_copy_says_so(
    sent: None, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, batch_records=2_000)
    monkeypatch.setattr(loads, "LOCK_SECONDS", 2)
    with loading(f"--stop={IN_THE_COPY}", "--loads=1", "--patience=1") as frozen:
        frozen.await_stop()
        with pytest.raises(Fenced, match=r"has kept its locks for 2 s .* run this again"):
            ingest_until_caught_up()
        frozen.wake()
        code, _ = frozen.end()
    assert code == 0
    assert ingest_until_caught_up().records_read == 0
    assert query(TOTALS) == [(1_004, 904, 100, 0)]
