"""Any sequence of sends, loads, crashes and bad days leaves the tables as a simple model says.

At full size by ``make test-crash``; here with a few examples.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar

import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from footfall.errors import Fenced
from footfall.ingest.gaps import GapFound
from footfall.ingest.micro_batch import Ingested, ingest_until_caught_up
from footfall.ingest.rejects import replay_rejects
from footfall.ingest.window import ingest_window
from footfall.warehouse import loads
from footfall.warehouse.loads import Load
from tests.conftest import set_environment
from tests.events.envelopes import encode, order
from tests.ingest.brokers import APACHE, Cluster, Sent, put

EXAMPLES = int(os.environ.get("CRASH_EXAMPLES", "6"))
STEPS = int(os.environ.get("CRASH_STEPS", "14"))
PARTITIONS = 2
GARBAGE = "garbage"
OLD = "1999-05-01T00:00:00Z"  # an order from before the first day, valid once that is moved back
numbers = count(1)

places = strategies.integers(0, PARTITIONS - 1)
names = strategies.sampled_from([f"o-{n}" for n in range(12)])
old_names = strategies.sampled_from([f"old-{n}" for n in range(3)])

batches = strategies.lists(strategies.tuples(names, places), min_size=1, max_size=8)


def value_of(name: str) -> bytes:
    """Return the bytes of garbage, of an old order or of an order."""
    if name == GARBAGE:
        return b"{"
    return encode(order(name, timestamp=OLD) if name.startswith("old") else order(name))


class Crash(Exception):
    """The loader's end before its commit."""


class SlowLoader:
    """A loader that has read a batch and waits before it stores it."""

    def __init__(self) -> None:
        self.arrived, self.released = threading.Event(), threading.Event()
        self.crashes = False
        self.result: Ingested | Exception | None = None
        self._armed = True
        self._store = loads.store
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> bool:
        """Let it read; say whether it waits with a batch, or is at its end already."""
        loads.store = self._late  # type: ignore[assignment]
        try:
            self._thread.start()
            self.arrived.wait(60)
        finally:
            loads.store = self._store
        return self.result is None

    def end(self, *, crash: bool = False) -> Ingested | Exception | None:
        """Let it store its batch, or die; return what became of it."""
        self.crashes = crash
        self.released.set()
        self._thread.join(60)
        return self.result

    def _late(self, *arguments: Any) -> Load:
        self.arrived.set()
        self.released.wait(60)
        if self.crashes:
            raise Crash
        return self._store(*arguments)

    def _run(self) -> None:
        try:
            self.result = ingest_until_caught_up(most_loads=1)
        except Exception as error:
            self.result = error
        finally:
            self.arrived.set()


@dataclass
class Log:
    """What one partition holds: names from offset ``first`` on, and where the ledger stands."""

    names: list[str] = field(default_factory=list)
    first: int = 0
    next: int | None = None
    anew: bool = False  # the ledger's offset is of the topic before this one

    @property
    def gap(self) -> bool:
        return self.next is not None and (self.anew or self.next < self.first)

    @property
    def start(self) -> int:
        return self.first if self.anew else max(self.next or 0, self.first)


class Loading(RuleBasedStateMachine):
    """Two loaders, a window, and the rejects, over a real broker and a real database."""

    cluster: ClassVar[Cluster]
    dsn: ClassVar[str]
    patch: ClassVar[pytest.MonkeyPatch]

    @initialize(loaded=strategies.booleans())
    def begin(self, loaded: bool) -> None:
        self.slow: SlowLoader | None = None
        self.slow_saw: list[tuple[int, int]] = []
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.topic = f"model.{os.getpid()}.{next(numbers)}"
        self._create()
        set_environment(self.patch, topics=self.topic)
        self.connection.execute("truncate raw.events, raw.loads cascade")
        self.logs = [Log() for _ in range(PARTITIONS)]
        self.ids: set[str] = set()
        self.set_aside: list[str] = []
        self.counted = [0, 0, 0]  # stored, duplicates, rejected
        if loaded:
            self.produce([(f"o-{place}", place) for place in range(PARTITIONS)])
            self.load(accept_gap=False)

    def teardown(self) -> None:
        if hasattr(self, "topic"):
            if self.slow is not None:
                self.slow.end(crash=True)
            self.connection.close()
            self._forget()

    def _create(self) -> None:
        self.cluster.create(self.topic, PARTITIONS)
        self.producer: Producer | None = self.cluster.producer(linger_ms=0, max_in_flight=1)

    def _forget(self) -> None:
        self.producer = None  # a client may not know a topic that is deleted: see docs/kafka.md
        self.cluster.delete(self.topic)

    # What producers and Kafka do.

    @rule(sent=batches)
    def produce(self, sent: list[tuple[str, int]]) -> None:
        assert self.producer is not None
        put(self.producer, self.topic, (Sent(value_of(name), place) for name, place in sent))
        assert self.producer.flush(30) == 0
        for name, place in sent:
            self.logs[place].names.append(name)

    @rule(place=places, name=strategies.just(GARBAGE) | old_names)
    def produce_garbage(self, place: int, name: str) -> None:
        self.produce([(name, place)])

    @precondition(lambda self: self.cluster.kind == APACHE)
    @rule(place=places, most=strategies.integers(1, 5))
    def retention(self, place: int, most: int) -> None:
        log = self.logs[place]
        first = min(log.first + most, len(log.names))
        admin = self.cluster.admin
        [answer] = admin.delete_records([TopicPartition(self.topic, place, first)]).values()
        answer.result()
        log.first = first

    @precondition(lambda self: self.slow is None)
    @rule()
    def recreate(self) -> None:
        self._forget()
        self._create()
        self.logs = [Log(next=log.next, anew=log.next is not None) for log in self.logs]

    # What loaders do.

    @rule(accept_gap=strategies.booleans())
    def load(self, accept_gap: bool) -> None:
        if any(log.gap for log in self.logs) and not accept_gap:
            with pytest.raises(GapFound):
                ingest_until_caught_up()
            return
        done = ingest_until_caught_up(accept_gap=accept_gap)
        spans = [(log.start, len(log.names)) for log in self.logs]
        for log in self.logs:
            if log.gap:
                log.next, log.anew = log.start, False
        assert self._commit(spans) == (done.stored, done.duplicates, done.rejected)

    @precondition(lambda self: self.slow is None)
    @rule()
    def read_slowly(self) -> None:
        spans = [(log.start, len(log.names)) for log in self.logs]
        gap = any(log.gap for log in self.logs)
        slow = SlowLoader()
        if slow.begin():
            assert not gap
            self.slow, self.slow_saw = slow, spans
            return
        result = slow.end()
        assert isinstance(result, GapFound) == gap
        assert gap or all(start == end for start, end in spans)

    @precondition(lambda self: self.slow is not None)
    @rule()
    def commit_late(self) -> None:
        assert self.slow is not None
        result = self.slow.end()
        self.slow = None
        moved = [(log.start, end) for log, (_, end) in zip(self.logs, self.slow_saw, strict=True)]
        overtaken = any(
            log.start != start and end > start
            for log, (start, end) in zip(self.logs, self.slow_saw, strict=True)
        )
        if overtaken:
            assert isinstance(result, Fenced), (result, moved)
        else:
            assert isinstance(result, Ingested)
            stored = self._commit(self.slow_saw)
            assert stored == (result.stored, result.duplicates, result.rejected)

    @precondition(lambda self: self.slow is not None)
    @rule()
    def crash(self) -> None:
        assert self.slow is not None
        assert isinstance(self.slow.end(crash=True), Crash)
        self.slow = None

    @precondition(lambda self: self.slow is None)
    @rule(sent=batches, late=batches)
    def overtake(self, sent: list[tuple[str, int]], late: list[tuple[str, int]]) -> None:
        self.produce(sent)
        self.read_slowly()
        self.produce(late)
        self.load(accept_gap=False)
        if self.slow is not None:
            self.commit_late()

    @rule()
    def replay_a_window(self) -> None:
        done = ingest_window(None, None)
        valid = [
            name
            for log in self.logs
            for name in log.names[log.first :]
            if name != GARBAGE and not name.startswith("old")
        ]
        assert (done.stored, done.duplicates, done.rejected) == self._store(valid)

    @rule()
    def replay_what_was_set_aside(self) -> None:
        with moved_back(self.patch):
            done = replay_rejects()
        valid = [name for name in self.set_aside if name != GARBAGE]
        self.set_aside = [GARBAGE] * self.set_aside.count(GARBAGE)
        stored, duplicates, _ = self._store(valid)
        assert (done.stored, done.duplicates) == (stored, duplicates)
        assert done.rejected == len(self.set_aside)

    def _commit(self, spans: list[tuple[int, int]]) -> tuple[int, int, int]:
        """Move the ledger as a load of these offsets does; return what is stored and so on."""
        read = []
        for log, (start, end) in zip(self.logs, spans, strict=True):
            read += log.names[start:end]
            if end > start:
                log.next, log.anew = end, False
        bad = [name for name in read if name == GARBAGE or name.startswith("old")]
        self.set_aside += bad
        self.counted[2] += len(bad)
        stored, duplicates, _ = self._store([name for name in read if name not in bad])
        return stored, duplicates, len(bad)

    def _store(self, valid: list[str]) -> tuple[int, int, int]:
        new = set(valid) - self.ids
        self.ids |= new
        self.counted[0] += len(new)
        self.counted[1] += len(valid) - len(new)
        return len(new), len(valid) - len(new), 0

    # What always holds.

    @invariant()
    def the_tables_are_as_the_model_says(self) -> None:
        if not hasattr(self, "topic"):
            return
        assert self._rows(
            "select coalesce(sum(stored), 0), coalesce(sum(duplicates), 0),"
            " coalesce(sum(rejected), 0) from raw.loads"
        ) == [tuple(self.counted)]
        assert sorted(self._rows("select message_id from raw.events")) == sorted(
            (f"m-{name}",) for name in self.ids
        )
        assert self._rows(
            "select partition, next_offset from raw.partition_offsets order by partition"
        ) == [(n, log.next) for n, log in enumerate(self.logs) if log.next is not None]
        assert self._rows("select count(*) from raw.rejected_events where replayed_at is null") == [
            (len(self.set_aside),)
        ]

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement).fetchall()


@contextmanager
def moved_back(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Move the first day back, so that old orders are valid."""
    set_environment(patch, first_day="1990-01-01")
    yield
    set_environment(patch, first_day="2000-01-01")


def test_loading_agrees_with_the_model(
    environment: dict[str, str], cluster: Cluster, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_environment(monkeypatch, kafka_bootstrap=cluster.address)
    machine: Callable[[], Loading] = type(
        "Loading", (Loading,), {"cluster": cluster, "dsn": database, "patch": monkeypatch}
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
