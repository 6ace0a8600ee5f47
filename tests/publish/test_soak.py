"""Readers in processes of their own, while publishers race, die, and put deltas in.

Small here; at size with ``make test-crash``: 200,000 reads, which are 1.3 million records, while a
hundred score sets are published and 25 publishers killed. A read is one call of the client: of one
record, or of a batch of twelve.
"""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

from redis import Redis

from footfall.publish.publication import publish
from footfall.publish.repair import verify
from footfall.storefront.client import Storefront
from footfall.storefront.record import Profile, encode, record_key
from footfall.warehouse import publications as table
from footfall.warehouse import records
from footfall.warehouse.candidates import candidates
from footfall.warehouse.changes import find_changes
from tests.publish.shop import NOW, Shop, child, customer, trace_lines

SIZE = 60
CHANGED = range(6)
READERS = 4
READS = int(os.environ.get("SOAK_READS", "3000"))
PUBLICATIONS = int(os.environ.get("SOAK_PUBLICATIONS", "4"))
KILLS = int(os.environ.get("SOAK_KILLS", "2"))
SEED = int(os.environ.get("CRASH_SEED", "5"))
FADING = customer(SIZE)  # not of the shop: its record ends a second after each publication
NAMES = [customer(number) for number in range(12)]  # the first half of them is changed by deltas


@dataclass
class Seen:
    """What a reader saw: states of the shop, and what must never be."""

    reads: int = 0
    records: int = 0
    states: Counter[tuple[int, int]] = field(default_factory=Counter)
    mixed: int = 0
    incomplete: int = 0
    expired: int = 0
    fresh: int = 0
    faded: int = 0


def told(profiles: list[Profile]) -> set[int]:
    """Give the score sets that all fields of some records tell."""
    found = set()
    for profile in profiles:
        assert profile.purchase is not None
        assert profile.churn is not None
        found |= {round(profile.purchase * 1000), round(profile.churn * 1000)}
        found |= {int(words[0].split()[-1]) for words in profile.reasons.values()}
    return found


def read(url: str, stop: Any, answer: Connection) -> None:
    """Read until told to stop, then say what was seen."""
    seen = Seen()
    with Storefront(url, timeout=30) as storefront:
        while not stop.is_set() or seen.reads < READS // READERS:
            moment = datetime.now(UTC)
            fading = storefront.get(FADING)
            seen.fresh += fading.is_known
            seen.faded += fading.why == "expired"
            profiles = list(storefront.get_many(NAMES).values())
            seen.reads += 2
            seen.records += 1 + len(profiles)
            if not all(profile.is_known for profile in profiles):
                seen.incomplete += 1
                continue
            seen.expired += any(
                one.expires_at is None or one.expires_at <= moment
                for one in [*profiles, *([fading] if fading.is_known else [])]
            )
            changed, others = told(profiles[:6]), told(profiles[6:])
            if len({one.version for one in profiles}) > 1 or len(changed) > 1 or len(others) > 1:
                seen.mixed += 1
            else:
                seen.states[others.pop(), changed.pop()] += 1
    answer.send(seen)


def let_fade(keys: Redis) -> None:
    """Put a record that ends in a second into the live version; the server keeps it for an hour."""
    version = str(keys.get("ff:current"))
    end = datetime.now(UTC) + timedelta(seconds=1)
    record = encode(Profile(customer_id=FADING, version=version, purchase=0.5, expires_at=end))
    keys.hset(record_key(version, FADING), mapping=record)
    keys.expire(record_key(version, FADING), 3600)


def looks_narrow(shop: Shop) -> bool:
    """Say whether a delta of the newest set would look at whom scoring and the build noted."""
    chosen, live = table.newest_score_set(shop.connection), table.live(shop.connection)
    assert chosen is not None
    assert live is not None
    found = candidates(shop.connection, chosen, live)
    return found is not None and len(found) < SIZE


def differs(shop: Shop) -> tuple[list[str], list[str]]:
    """Look at everybody: give who is live otherwise than the newest set has it, and who is gone."""
    chosen, live = table.newest_score_set(shop.connection), table.live(shop.connection)
    assert chosen is not None
    assert live is not None
    models = records.models_of(shop.connection, chosen.score_set)
    found = find_changes(shop.connection, chosen, models, live.version, now=NOW, due=NOW)
    return found.written, found.gone


def test_no_reader_ever_sees_a_mixture_a_gap_or_an_expired_score(
    database: str, redis_url: str, keys: Redis
):
    shop, draw = Shop.open(database, size=SIZE), random.Random(SEED)
    base = shop.score(noted=True)
    full = trace_lines(lambda: publish(now=NOW, actor="test"), lambda _: None)
    first = shop.score(changed=CHANGED, base=base, noted=True)
    delta = trace_lines(lambda: publish(now=NOW, actor="test"), lambda _: None)
    let_fade(keys)
    states = {(base, first)}
    doomed = set(draw.sample(range(PUBLICATIONS), KILLS))
    processes = multiprocessing.get_context("fork")
    stop = processes.Event()
    pipes = [processes.Pipe(duplex=False) for _ in range(READERS)]
    readers = [
        processes.Process(target=read, args=(redis_url, stop, sender)) for _, sender in pipes
    ]
    for reader in readers:
        reader.start()

    outcomes: Counter[int] = Counter()
    turn = narrow = 0
    while turn < PUBLICATIONS or outcomes[-signal.SIGKILL] < KILLS:
        if turn % 3 == 2:
            base, lines = shop.score(noted=True), full
            score_set = base
        else:
            score_set, lines = shop.score(changed=CHANGED, base=base, noted=True), delta
        states.add((base, score_set))
        narrow += looks_narrow(shop)
        is_doomed = turn in doomed or turn >= PUBLICATIONS  # some outlive their line: once more
        pids = [
            child(lambda: publish(now=NOW, actor="test"), at_line=line, signal_=signal.SIGKILL)
            for line in (draw.randrange(1, lines) if is_doomed else 0, 0)
        ]
        outcomes.update(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
        let_fade(keys)
        turn += 1
    publish(now=NOW, actor="test")
    let_fade(keys)
    time.sleep(2)  # a second with that record, and one after it
    stop.set()
    seen = [receiver.recv() for receiver, _ in pipes]
    for reader in readers:
        reader.join()
    print(
        f"{sum(one.reads for one in seen):,} reads of {sum(one.records for one in seen):,} records;"
        f" {turn} score sets, {narrow} with a narrow look; of {outcomes.total()} publishers "
        f"{outcomes[-signal.SIGKILL]} killed, {outcomes[3]} fenced out"
    )

    assert sum(one.reads for one in seen) >= READS
    assert sum(one.records for one in seen) > sum(one.reads for one in seen)
    assert [(one.mixed, one.incomplete, one.expired) for one in seen] == [(0, 0, 0)] * READERS
    assert any(one.fresh for one in seen)
    assert any(one.faded for one in seen)
    assert set().union(*(one.states for one in seen)) <= states
    assert len(set().union(*(one.states for one in seen))) > PUBLICATIONS // 2
    assert set(outcomes) <= {0, 3, -signal.SIGKILL}
    assert outcomes[-signal.SIGKILL] == KILLS
    assert narrow > PUBLICATIONS // 3
    assert verify(now=NOW).problem is None
    assert differs(shop) == ([], [])
    assert all(keys.ttl(key) > 0 for key in keys.scan_iter())
    shop.connection.close()
