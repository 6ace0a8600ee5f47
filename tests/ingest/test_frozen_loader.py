"""A loader that stands still in the middle of its work and wakes late does no harm."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from footfall.errors import Fenced
from footfall.ingest.micro_batch import Ingested, ingest_until_caught_up
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send
from tests.ingest.doomed_loader import line_of
from tests.ingest.loader_process import loading

TOTALS = "select sum(records_read), sum(stored), sum(duplicates), sum(rejected) from raw.loads"
BEFORE_ANY_LOCK = line_of("footfall/warehouse/loads.py", "load_id = _open_load(connection")
BEFORE_THE_OFFSETS = line_of("footfall/warehouse/loads.py", "offsets.move(connection")
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
    sent: None, query: Query
) -> None:
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
    assert query("select sum(records_read) from raw.loads") == [(254,)]
    assert ingest_until_caught_up().records_read == 750
    assert query(TOTALS) == [(1_004, 904, 100, 0)]
