"""Law 5 and law 8: readers see whole publications, whoever publishes, dies, or comes late."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from footfall.errors import Fenced, FootfallError
from footfall.publish import publication
from footfall.publish.publication import publish, rollback
from footfall.publish.repair import verify
from footfall.publish.store import Store
from footfall.storefront.client import Storefront
from footfall.storefront.record import Profile
from tests.publish.shop import AS_OF, NOW, Shop, child, customer, trace_lines

SIZE = 60
KILLS = 24
PAUSES = 16


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    shop = Shop.open(database, size=SIZE)
    yield shop
    shop.connection.close()


def mark(profile: Profile) -> tuple[Any, ...]:
    """Everything of a record that differs from set to set, as the number of the set."""
    assert profile.purchase is not None
    assert profile.churn is not None
    return (
        profile.version,
        round(profile.purchase * 1000),
        round(profile.churn * 1000),
        int(profile.reasons["purchase"][0].split()[-1]),
        int(profile.reasons["churn"][0].split()[-1]),
    )


@dataclass
class Seen:
    """What a reader saw: marks of records, unknown customers, reads of mixed publications."""

    marks: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    unknown: int = 0
    mixed: int = 0


@contextmanager
def readers(
    url: str, read: Callable[[Storefront, Seen], None], *, count: int
) -> Iterator[list[Seen]]:
    """Have threads read without a pause, each for itself."""
    stop, seen = threading.Event(), [Seen() for _ in range(count)]

    def loop(mine: Seen) -> None:
        with Storefront(url, timeout=10) as storefront:
            while not stop.is_set():
                read(storefront, mine)

    threads = [threading.Thread(target=loop, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def read_one_and_many(storefront: Storefront, seen: Seen) -> None:
    names = [customer(n) for n in range(0, SIZE, 3)]
    one = storefront.get(names[0], now=NOW)
    many = storefront.get_many(names, now=NOW)
    if not (one.is_known and all(profile.is_known for profile in many.values())):
        seen.unknown += 1
        return
    seen.mixed += len({mark(profile) for profile in many.values()}) > 1
    seen.marks[mark(one)] += 1


def assert_whole(shop: Shop, storefront: Storefront, version: str) -> None:
    """Every customer reads back from one version, with every field of that version's score set."""
    profiles = storefront.get_many([customer(n) for n in range(SIZE)], now=NOW)
    score_set = shop.score_set_of(version)
    assert {mark(profile) for profile in profiles.values()} == {(version, *[score_set] * 4)}


def test_readers_never_see_a_mixture_while_publications_and_rollbacks_go_on(
    shop: Shop, redis_url: str
):
    shop.score()
    publish(now=NOW, actor="test")
    with readers(redis_url, read_one_and_many, count=3) as seen:
        for turn in range(12):
            shop.score()
            publish(now=NOW, actor="test")
            if turn % 3 == 2:
                rollback(now=NOW, actor="test")
    marks = sum((mine.marks for mine in seen), Counter())
    assert sum(mine.mixed for mine in seen) == 0
    assert sum(mine.unknown for mine in seen) == 0
    assert len(marks) > 3
    for version, *sets in marks:
        assert set(sets) == {shop.score_set_of(version)}


def test_a_publisher_killed_at_any_line_leaves_the_live_version_whole(
    shop: Shop, keys: Redis, storefront: Storefront
):
    """24 kills by seed: half anywhere, half among the lines after the last record was written."""
    shop.score()
    publish(now=NOW, actor="test")
    shop.score()
    lines = trace_lines(lambda: publish(now=NOW, actor="test"), lambda _: None)
    draw = random.Random(20180102)
    points = [draw.randrange(1, lines) for _ in range(KILLS // 2)]
    points += [draw.randrange(lines - 150, lines) for _ in range(KILLS // 2)]
    flipped = 0
    for point in points:
        before = keys.get("ff:current")
        score_set = shop.score()
        pid = child(lambda: publish(now=NOW, actor="test"), at_line=point, signal_=signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL

        after = keys.get("ff:current")
        assert_whole(shop, storefront, after)
        assert after == before or shop.score_set_of(after) == score_set
        assert all(keys.ttl(key) > 0 for key in keys.scan_iter())

        done = publish(now=NOW, actor="test")
        assert (done.score_set, done.state) == (score_set, "live")
        assert_whole(shop, storefront, done.version)
        states = Counter(shop.states().values())
        assert states["live"] == 1
        assert states["building"] == 0
        if after != before:
            flipped += 1
            assert shop.states()[after] == "previous"
    assert 0 < flipped < KILLS


def test_a_publication_that_was_live_but_not_booked_can_be_rolled_back_to(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    from footfall.warehouse import publications as table

    shop.score()
    first = publish(now=NOW, actor="test")
    with monkeypatch.context() as patch:
        booked = [table.settle, table.settle]  # the flip before, as a publisher takes its turn
        calls = iter([*booked, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)])
        patch.setattr(table, "settle", lambda *args, **named: next(calls)(*args, **named))
        pid = child(lambda: publish(now=NOW, actor="test"), at_line=0, signal_=signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    unbooked = keys.get("ff:current")
    assert shop.states() == {first.version: "live", unbooked: "building"}

    assert rollback(now=NOW, actor="test").version == first.version

    assert shop.states() == {first.version: "live", unbooked: "previous"}
    assert rollback(now=NOW, actor="test").version == unbooked


def paused_publisher(shop: Shop, draw: random.Random, lines: int) -> int:
    """Start a publisher that stops somewhere, but not in the short transactions that book things.

    There it would hold up the other one, until Postgres ends its session after a minute.
    """
    while True:
        point = draw.randrange(1, lines)
        pid = child(lambda: publish(now=NOW, actor="test"), at_line=point, signal_=signal.SIGSTOP)
        assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
        holds = shop.connection.execute(
            "select from pg_locks where locktype = 'advisory' and granted limit 1"
        ).fetchone()
        if holds is None:
            return pid
        os.kill(pid, signal.SIGCONT)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_of_two_racing_publishers_the_older_one_is_fenced_out(
    shop: Shop, keys: Redis, storefront: Storefront
):
    """16 pauses by seed: one publisher stops anywhere, another overtakes it, the first goes on."""
    shop.score()
    publish(now=NOW, actor="test")
    shop.score()
    lines = trace_lines(lambda: publish(now=NOW, actor="test"), lambda _: None)
    draw = random.Random(7)
    outcomes = Counter()
    for _ in range(PAUSES):
        shop.score()
        pid = paused_publisher(shop, draw, lines)
        overtaking = publish(now=NOW, actor="test")
        os.kill(pid, signal.SIGCONT)
        outcome = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        outcomes[outcome] += 1

        live = keys.get("ff:current")
        assert_whole(shop, storefront, live)
        states = shop.states()
        assert states[live] == "live"
        assert Counter(states.values())["live"] == 1
        assert "building" not in states.values()
        if outcome == 3:
            assert live == overtaking.version
        else:
            assert outcome == 0
    assert outcomes[3] > PAUSES / 2


def test_what_was_chosen_earlier_never_goes_live_over_what_was_chosen_later(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    shop.score()
    publish(now=NOW, actor="test")
    shop.score()
    choose = publication._choose

    def overtaken(*args):
        chosen = choose(*args)
        monkeypatch.setattr(publication, "_choose", choose)
        shop.score()
        publish(now=NOW, actor="the faster one")
        return chosen

    monkeypatch.setattr(publication, "_choose", overtaken)
    with pytest.raises(Fenced):
        publish(now=NOW, actor="the slower one")
    assert shop.score_set_of(keys.get("ff:current")) == 3


def test_a_rollback_fences_out_the_publisher_that_began_before_it(shop: Shop, keys: Redis):
    shop.score()
    first = publish(now=NOW, actor="test")
    lines = trace_lines(lambda: publish(now=NOW, actor="test"), lambda _: None)
    pid = child(lambda: publish(now=NOW, actor="test"), at_line=lines // 2, signal_=signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    assert rollback(now=NOW, actor="test").version == first.version
    os.kill(pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert keys.get("ff:current") == first.version


def test_a_redis_flushed_before_the_pointer_moves_is_not_pointed_at_nothing(
    shop: Shop, keys: Redis, monkeypatch: pytest.MonkeyPatch
):
    shop.score()
    publish(now=NOW, actor="test")
    shop.score()
    flip = Store.flip

    def flush_then_flip(store, *args, **options):
        keys.flushdb()
        return flip(store, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "flip", flush_then_flip)
        with pytest.raises(Fenced, match="has lost epoch 1 meanwhile"):
            publish(now=NOW, actor="test")
    assert keys.get("ff:current") is None
    done = publish(now=NOW, actor="test")
    assert keys.get("ff:current") == done.version


def test_two_publishers_at_once_end_with_one_live_version(shop: Shop, keys: Redis):
    shop.score()
    outcomes: list[object] = []

    def attempt() -> None:
        try:
            outcomes.append(publish(now=NOW, actor="test").version)
        except FootfallError as error:
            outcomes.append(type(error))

    for _ in range(5):
        outcomes.clear()
        threads = [threading.Thread(target=attempt) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = shop.states()
        assert [version for version, state in states.items() if state == "live"] == [
            keys.get("ff:current")
        ]
        assert keys.get("ff:current") in outcomes
        assert "building" not in states.values()


CHANGED = range(6)
"""Whose records each delta changes: a tenth."""


def read_the_changed(storefront: Storefront, seen: Seen) -> None:
    many = storefront.get_many([customer(n) for n in CHANGED], now=NOW)
    if not all(profile.is_known for profile in many.values()):
        seen.unknown += 1
        return
    marks = {mark(profile) for profile in many.values()}
    seen.mixed += len(marks) > 1
    seen.marks.update(marks)


def test_readers_see_the_version_before_a_delta_or_after_it(shop: Shop, redis_url: str):
    shop.score()
    publish(now=NOW, actor="test")
    with readers(redis_url, read_the_changed, count=3) as seen:
        for _ in range(12):
            shop.score(changed=CHANGED)
            assert publish(now=NOW, actor="test").changed == len(CHANGED)
    marks = sum((mine.marks for mine in seen), Counter())
    assert sum(mine.mixed for mine in seen) == 0
    assert sum(mine.unknown for mine in seen) == 0
    assert {version for version, *_ in marks} == {"1"}
    assert len(marks) > 3


def test_a_publisher_killed_at_any_line_of_a_delta_leaves_all_of_it_or_nothing(
    shop: Shop, keys: Redis, storefront: Storefront
):
    """16 kills by seed: half anywhere, half near the end."""
    base = shop.score()
    publish(now=NOW, actor="test")
    shop.score(changed=CHANGED)
    lines = trace_lines(lambda: publish(now=NOW, actor="test"), lambda _: None)
    draw = random.Random(20180103)
    points = [draw.randrange(1, lines) for _ in range(8)]
    points += [draw.randrange(lines - 120, lines) for _ in range(8)]
    applied = 0

    def whole() -> int:
        """Return the set that all changed customers tell; the others tell the base's."""
        profiles = storefront.get_many([customer(n) for n in range(SIZE)], now=NOW)
        told = [mark(profiles[customer(n)])[1:] for n in range(SIZE)]
        (changed,) = set(told[: len(CHANGED)])
        assert set(told[len(CHANGED) :]) == {(base,) * 4}
        return int(changed[0])

    for point in points:
        before, score_set = whole(), shop.score(changed=CHANGED)
        pid = child(lambda: publish(now=NOW, actor="test"), at_line=point, signal_=signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
        after = whole()
        assert after in (before, score_set)
        applied += after == score_set
        assert all(keys.ttl(key) > 0 for key in keys.scan_iter())

        done = publish(now=NOW, actor="test")
        assert (done.score_set, done.state, whole()) == (score_set, "live", score_set)
        assert verify(now=NOW).problem is None
        building = shop.connection.execute(
            "select count(*) from serving.deltas where state = 'building'"
        ).fetchone()
        assert building == (0,)
    assert 0 < applied < len(points)


def test_an_expired_score_is_never_read_as_fresh(shop: Shop, storefront: Storefront):
    shop.score(as_of=AS_OF)
    done = publish(now=NOW, actor="test")
    assert done.expires_at is not None
    last_moment = done.expires_at - timedelta(microseconds=1)
    assert storefront.get(customer(0), now=last_moment).is_known
    expired = storefront.get(customer(0), now=done.expires_at)
    assert (expired.status, expired.why, expired.purchase) == ("unknown", "expired", None)
    assert expired.products == ("gift-card",)
