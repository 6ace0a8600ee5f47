"""Two loaders at once cannot harm: one wins, the other writes nothing."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from footfall.errors import Fenced
from footfall.ingest.micro_batch import Ingested, ingest_once, ingest_until_caught_up
from footfall.warehouse import loads
from footfall.warehouse.loads import Load
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.conftest import Query, Send


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_loader_that_was_overtaken_writes_nothing(
    environment: dict[str, str],
    send: Send,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    loaded_before: bool,
) -> None:
    if loaded_before:
        send(encode(order(f"before-{n}")) for n in range(8))
        ingest_once()
    send(encode(order(f"o-{n}")) for n in range(20))
    store = loads.store

    def overtaken(*arguments: object, **options: object) -> Load:
        monkeypatch.setattr(loads, "store", store)
        ingest_once()
        return store(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loads, "store", overtaken)
    with pytest.raises(Fenced, match=r"another loader moved .*\[0\] on from offset"):
        ingest_once()
    assert query("select count(*), sum(stored), sum(duplicates) from raw.loads") == [
        (1 + loaded_before, 20 + 8 * loaded_before, 0)
    ]
    assert ingest_once() is None


def test_many_loaders_at_once_store_each_event_once(
    environment: dict[str, str],
    send: Send,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, batch_records=50)
    send(encode(order(f"o-{n % 900}")) for n in range(1_000))
    start = Barrier(4)

    def run(_: int) -> Ingested | None:
        start.wait()
        try:
            return ingest_until_caught_up()
        except Fenced:
            return None

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(run, range(4)))
    ingest_until_caught_up()
    assert query(
        "select sum(records_read), sum(stored), sum(duplicates), sum(rejected) from raw.loads"
    ) == [(1_000, 900, 100, 0)]
    assert query("select count(*) from raw.events") == [(900,)]


def test_offsets_of_another_cluster_mean_nothing(
    environment: dict[str, str], send: Send, query: Query
) -> None:
    send(encode(order(f"o-{n}")) for n in range(4))
    ingest_once()
    query("update raw.partition_offsets set cluster_id = 'another'")
    again = ingest_once()
    assert again is not None
    assert (again.records_read, again.duplicates) == (4, 4)
