"""kill -9 at any moment, of anybody, loses nothing and doubles nothing.

At full size by ``make test-crash``; here with a few deaths.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg
import pytest

from footfall.ingest.micro_batch import ingest_until_caught_up
from footfall.stack.kafka import Kafka
from footfall.stack.postgres import Postgres
from tests.conftest import set_environment
from tests.events.envelopes import encode, order, track
from tests.ingest.brokers import WHEEL, Cluster, Sent
from tests.ingest.doomed_loader import places
from tests.ingest.loader_process import loading
from tests.ingest.mortal import Mortal, mortals

RECORDS = int(os.environ.get("CRASH_RECORDS", "4000"))
KILLS = int(os.environ.get("CRASH_KILLS", "4"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
TOPIC = "crashes"
PARTITIONS = 4
GARBAGE = [None, b"", b"{", b"\xff", b'{"type":"page","x":"\\u0000"}', encode(track("Unheard Of"))]


@pytest.fixture(scope="module")
def servers_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Mortal]]:
    """Run a Postgres and a broker that may be killed."""
    with mortals(tmp_path_factory.mktemp("mortals"), Postgres, Kafka, topics=TOPIC) as running:
        yield running


@dataclass(frozen=True)
class Traffic:
    """What is sent, and what has to become of it."""

    records: list[Sent]
    ids: set[str]
    garbage: set[tuple[int, int]]  # partition, offset
    ends: Counter[int]


def traffic(seed: int, size: int) -> Traffic:
    """Return orders, a quarter of them sent again near, far or elsewhere, and one tenth garbage."""
    chance = random.Random(seed)
    records: list[Sent] = []
    sent: list[tuple[int, str]] = []
    garbage, ends = set(), Counter[int]()
    for number in range(size):
        chosen, partition = chance.random(), chance.randrange(PARTITIONS)
        if chosen < 0.1:
            garbage.add((partition, ends[partition]))
            value = chance.choice(GARBAGE)
        elif chosen < 0.35 and sent:
            window = sent[-20:] if chosen < 0.2 else sent
            first, name = chance.choice(window)
            partition = first if chosen < 0.3 else partition
            value = encode(order(name))
        else:
            sent.append((partition, f"o-{number}"))
            value = encode(order(f"o-{number}"))
        records.append(Sent(value, partition))
        ends[partition] += 1
    return Traffic(records, {f"m-{name}" for _, name in sent}, garbage, ends)


def test_nothing_is_lost_or_doubled_whoever_is_killed(
    servers_of_its_own: list[Mortal], monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres, kafka = servers_of_its_own
    dsn, address = postgres.address, kafka.address
    batch = max(20, RECORDS // (12 * KILLS))  # enough for every loader that survives
    set_environment(
        monkeypatch, topics=TOPIC, postgres_dsn=dsn, kafka_bootstrap=address, batch_records=batch
    )
    made = traffic(SEED, RECORDS)
    cluster = Cluster(kafka.kind, address)
    cluster.send(TOPIC, made.records, enable_idempotence=True)

    chance = random.Random(SEED)
    keeps_data = [server for server in (postgres, kafka) if server.kind != WHEEL]
    every = max(3, KILLS // 5)
    killed = 0
    for attempt in count(1):
        killed += _attempt(chance)
        if attempt % every == 0:
            server = keeps_data[attempt // every % len(keeps_data)]
            server.kill()
            server.revive()
        if killed >= KILLS and attempt >= 2 * every:  # both servers died as well
            break
        assert attempt < 10 * KILLS, "hardly a loader dies"
    assert _records_read(dsn) < RECORDS, "the loaders that were killed had nothing more to load"
    ingest_until_caught_up()
    _prove(dsn, made)


def _attempt(chance: random.Random) -> bool:
    """Run one loader, or two at once, to its death or for two loads; say whether one was killed."""
    with suppress(ProcessLookupError):
        if chance.random() < 0.25:
            with loading("--loads=2") as one, loading("--loads=2") as other:
                survived = one.lives_for(chance.uniform(0.0, 0.5))
                one.kill()
                other.end()
                return survived
        if chance.random() < 0.35:
            with loading("--loads=2") as one:
                survived = one.lives_for(chance.uniform(0.0, 0.6))
                one.kill()
                return survived
    place, visit = chance.choice(places()), chance.choice([1, 1, 2])
    with loading(f"--die={place}", f"--visit={visit}", "--loads=2") as one:
        code, _ = one.end()
    return code == -signal.SIGKILL


def _records_read(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        [(records,)] = connection.execute("select coalesce(sum(records_read), 0) from raw.loads")
        return int(records)


def _prove(dsn: str, made: Traffic) -> None:
    """Compare every table with what was sent."""
    size = len(made.records)
    with psycopg.connect(dsn) as connection:

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(statement).fetchall()

        assert rows(
            "select sum(records_read), sum(stored), sum(duplicates), sum(rejected) from raw.loads"
        ) == [(size, len(made.ids), size - len(made.ids) - len(made.garbage), len(made.garbage))]
        stored = rows("select message_id from raw.events")
        assert len(stored) == len(made.ids)
        assert {message_id for (message_id,) in stored} == made.ids
        rejected = rows("select kafka_partition, kafka_offset from raw.rejected_events")
        assert len(rejected) == len(made.garbage)
        assert set(rejected) == made.garbage
        offsets = rows("select partition, next_offset from raw.partition_offsets")
        assert dict(offsets) == made.ends
        assert rows("select count(*) from raw.gaps") == [(0,)]
        assert _pieces(rows("select offset_ranges from raw.loads order by load_id")) == made.ends


def _pieces(ranges: list[tuple[Any, ...]]) -> Counter[int]:
    """Return where the loaded ranges end, which must follow each other without hole or overlap."""
    ends = Counter[int]()
    parts: list[Any] = [part for (load,) in ranges for part in load]
    for part in sorted(parts, key=lambda part: part["from"]):
        assert part["from"] == ends[part["partition"]]
        ends[part["partition"]] = part["to"]
    return ends
