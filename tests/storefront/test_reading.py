"""A read, step by step, while publications come and go between any two of its steps."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError, TimeoutError

from footfall.storefront.reading import MOST_SEGMENTS, Command, Reader
from footfall.storefront.record import (
    CURRENT_KEY,
    Fallback,
    Profile,
    encode,
    encode_fallback,
    fallback_key,
    record_key,
)

NOW = datetime(2018, 1, 2, tzinfo=UTC)
KEPT = 2.0
EVERYBODY = ["c1", "c2", "c3"]
POPULAR, SEGMENT = ("popular-1",), ("of-the-segment",)


@dataclass
class Server:
    """What Redis would answer, the instants at which its pointer moved, and what it was asked."""

    tick: float = 0.0
    hashes: dict[str, dict[str, str]] = field(default_factory=dict)
    moves: list[tuple[float, str | None]] = field(default_factory=lambda: [(-math.inf, None)])
    asked: list[list[Command]] = field(default_factory=list)
    has_function: bool = True

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.tick)

    def publish(self, version: str, lives: float = 1000, names: tuple[str, ...] = ("c1", "c2")):
        expires_at = self.now() + timedelta(seconds=lives)
        for name in names:
            profile = Profile(
                customer_id=name, version=version, segment="loyal", expires_at=expires_at
            )
            self.hashes[record_key(version, name)] = encode(profile)
        for segment, products in ((None, POPULAR), ("loyal", SEGMENT)):
            self.hashes[fallback_key(version, segment)] = encode_fallback(
                Fallback(products=products, version=version, expires_at=expires_at)
            )
        self.point(version)

    def point(self, version: str | None) -> None:
        self.moves.append((self.tick, version))

    def live(self, since: float) -> set[str | None]:
        """Give the versions that were live at ``since`` or later."""
        before = [version for at, version in self.moves if at <= since]
        return {before[-1], *(version for at, version in self.moves if at > since)}

    def answer(self, command: Command) -> Any:
        match command:
            case ("GET", key):
                assert key == CURRENT_KEY
                return self.moves[-1][1]
            case ("HGETALL", key):
                return dict(self.hashes.get(key, {}))
            case ("FCALL_RO", "ff_get", "1", _, *names):
                if not self.has_function:
                    raise ResponseError("Function not found")
                version = self.moves[-1][1]
                found = [self.hashes.get(record_key(str(version), name), {}) for name in names]
                return [
                    version,
                    *([word for pair in one.items() for word in pair] for one in found),
                ]
        raise AssertionError(command)

    def read(
        self,
        reader: Reader,
        *names: str,
        between: Callable[[], Any] = lambda: None,
        fails: int | None = None,
        segments: dict[str, str] | None = None,
    ) -> dict[str, Profile]:
        """Carry a read to its end; ``between`` happens before each of its steps but the first."""
        steps = reader.read(names, segments=segments or {}, now=self.now(), tick=self.tick)
        self.asked = []
        try:
            commands = next(steps)
            while True:
                if self.asked:
                    between()
                self.asked.append(commands)
                try:
                    if fails == len(self.asked):
                        raise TimeoutError("slow")
                    answers = [self.answer(command) for command in commands]
                except (ResponseError, TimeoutError) as error:
                    commands = steps.throw(error)
                else:
                    commands = steps.send(answers)
        except StopIteration as end:
            profiles: dict[str, Profile] = end.value
            return profiles


def reader(pointer_seconds: float = KEPT, *, is_cluster: bool = False) -> Reader:
    return Reader(
        fallback_products=["gift-card"], pointer_seconds=pointer_seconds, is_cluster=is_cluster
    )


class Shop:
    """What may happen to a storefront between two steps of a read."""

    def __init__(self) -> None:
        self.server, self.versions, self.erased = Server(), 0, set[str]()

    def publish(self) -> None:
        self.versions += 1
        self.server.publish(str(self.versions), lives=3, names=tuple(set(EVERYBODY) - self.erased))

    def happens(self, event: Callable[["Shop"], None]) -> None:
        self.server.tick += 0.001  # no two things at once
        event(self)

    def roll_back(self) -> None:
        self.server.point(str(max(self.versions - 1, 1)) if self.versions else None)

    def end(self) -> None:
        self.server.point(None)
        self.server.hashes.clear()

    def erase(self) -> None:
        self.erased.add("c2")
        for version in range(self.versions + 1):
            self.server.hashes.pop(record_key(str(version), "c2"), None)

    def drop_old(self) -> None:
        live = self.server.moves[-1][1]
        for key in list(self.server.hashes):
            if key.split(":")[1] != live:
                del self.server.hashes[key]

    def wait(self) -> None:
        self.server.tick += 0.7


HAPPENS = st.sampled_from(
    [Shop.publish, Shop.roll_back, Shop.end, Shop.erase, Shop.drop_old, Shop.wait, Shop.wait]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.lists(HAPPENS, max_size=3), st.lists(HAPPENS, max_size=4)), max_size=8),
    st.sampled_from([(0.0, False), (KEPT, False), (0.0, True), (KEPT, True)]),
)
def test_a_read_is_of_one_publication_that_was_live_no_longer_ago_than_the_bound(
    story: list[tuple[list[Callable[[Shop], None]], list[Callable[[Shop], None]]]],
    kind: tuple[float, bool],
):
    shop, client = Shop(), reader(kind[0], is_cluster=kind[1])
    for before, during in story:
        for event in before:
            shop.happens(event)
        started, erased, then = shop.server.tick, set(shop.erased), iter(during)

        def between(then: Any = then) -> None:
            for event in (next(then, None), next(then, None)):
                if event is not None:
                    shop.happens(event)

        profiles = shop.server.read(client, *EVERYBODY, between=between)
        fresh = [profile for profile in profiles.values() if profile.is_known]
        assert len({profile.version for profile in fresh}) <= 1
        assert {profile.version for profile in fresh} <= shop.server.live(started - kind[0])
        now = NOW + timedelta(seconds=started)
        assert all(profile.expires_at and now < profile.expires_at for profile in fresh)
        assert not erased & {profile.customer_id for profile in fresh}


def test_with_a_kept_pointer_a_read_is_one_hash_of_one_key():
    server, client = Server(), reader()
    server.publish("7")
    server.read(client, "c1")
    assert server.asked == [[("GET", "ff:current")], [("HGETALL", "ff:7:c:c1")]]
    server.tick = KEPT - 0.1
    assert server.read(client, "c1")["c1"].is_known
    assert server.asked == [[("HGETALL", "ff:7:c:c1")]]
    server.tick = KEPT + 0.1
    assert server.read(client, "c1")["c1"].is_known
    assert server.asked == [[("GET", "ff:current"), ("HGETALL", "ff:7:c:c1")]]


def test_a_pointer_is_moved_within_the_bound_after_a_flip():
    server, client = Server(), reader()
    server.publish("7")
    server.read(client, "c1")
    server.publish("8")
    assert server.read(client, "c1")["c1"].version == "7"
    server.tick = KEPT
    assert server.read(client, "c1")["c1"].version == "8"


def test_a_customer_missing_under_a_kept_pointer_is_looked_for_under_the_live_one():
    server, client = Server(), reader()
    server.publish("7")
    server.read(client, "c1")
    server.publish("8", names=("c1", "c3"))
    profiles = server.read(client, "c1", "c3")
    assert {profile.version for profile in profiles.values()} == {"8"}


def test_an_expired_record_under_a_kept_pointer_is_not_fresh():
    server, client = Server(), reader(pointer_seconds=1000)
    server.publish("7", lives=10)
    server.read(client, "c1")
    server.tick = 10
    profile = server.read(client, "c1")["c1"]
    assert (profile.why, profile.version) == ("expired", None)


def test_a_slower_thread_does_not_move_the_pointer_back():
    server, client = Server(), reader()
    server.publish("7")
    slow = client.read(["c1"], segments={}, now=server.now(), tick=server.tick)
    assert next(slow) == [("GET", "ff:current")]
    server.tick = 1
    server.publish("8")
    server.read(client, "c1")
    assert slow.send(["7"]) == [("HGETALL", "ff:7:c:c1")]
    assert server.read(client, "c1")["c1"].version == "8"
    assert server.asked == [[("HGETALL", "ff:8:c:c1")]]


@pytest.mark.parametrize("seconds", [0, KEPT])
def test_who_is_unknown_is_shown_their_segments_products_else_what_is_popular(seconds: float):
    server, client = Server(), reader(seconds)
    server.publish("7")
    profiles = server.read(client, "c1", "c8", "c9", segments={"c8": "loyal", "c9": "no such"})
    assert [(one.products, one.products_from) for one in profiles.values()] == [
        ((), "record"),
        (SEGMENT, "segment"),
        (POPULAR, "popular"),
    ]
    server.read(client, "c8", "c9", segments={"c8": "loyal", "c9": "no such"})
    assert not [one for step in server.asked for one in step if ":f:" in one[1]]
    server.publish("8")
    server.hashes[fallback_key("8")] = {}
    profile = server.read(client, "c9")["c9"]
    assert (profile.why, profile.products, profile.products_from) == (
        "absent",
        ("gift-card",),
        "caller",
    )


def test_an_expired_customer_is_shown_the_products_of_the_segment_in_the_record():
    server, client = Server(), reader()
    server.publish("7", lives=10)
    server.publish("8", lives=1000, names=())
    record = server.hashes[record_key("7", "c1")]
    server.hashes[record_key("8", "c1")] = record | {"version": "8"}
    server.tick = 10
    profile = server.read(client, "c1")["c1"]
    assert (profile.why, profile.segment, profile.products) == ("expired", None, SEGMENT)


def test_fallbacks_are_shown_while_redis_is_away_but_not_beyond_their_time():
    server, client = Server(), reader()
    server.publish("7", lives=10)
    server.read(client, "c9")
    profile = server.read(client, "c1", fails=1)["c1"]
    assert (profile.why, profile.products) == ("unavailable", POPULAR)
    server.tick = 10
    assert server.read(client, "c1", fails=1)["c1"].products == ("gift-card",)


def test_a_fallback_that_does_not_come_in_time_takes_nothing_from_the_others():
    server, client = Server(), reader(0)
    server.publish("7")
    known, stranger = server.read(client, "c1", "c9", fails=2).values()
    assert (known.is_known, stranger.why, stranger.products_from) == (True, "absent", "caller")


def test_segments_that_callers_make_up_do_not_fill_the_memory():
    server, client = Server(), reader(0)
    server.publish("7")
    for number in range(0, 3 * MOST_SEGMENTS, 1000):
        names = [f"x{number + one}" for one in range(1000)]
        server.read(client, *names, segments={name: name for name in names})
    assert len(client._kept[1]) <= 2 * MOST_SEGMENTS


def test_a_cluster_is_asked_for_single_keys_only():
    server, client = Server(has_function=False), reader(is_cluster=True, pointer_seconds=0)
    server.publish("7")
    server.read(client, "c1", "c9")
    assert {command[0] for step in server.asked for command in step} == {"GET", "HGETALL"}


def test_nobody_is_asked_for_nobody():
    server = Server()
    assert server.read(reader()) == {}
    assert server.asked == []


def test_a_fallback_of_another_publication_or_a_newer_schema_is_none():
    server, client = Server(), reader()
    server.publish("7")
    written = Fallback(products=POPULAR, version="7", expires_at=server.now() + timedelta(hours=1))
    for broken in (
        encode_fallback(replace(written, version="6")),
        encode_fallback(written) | {"schema": "2"},
        encode_fallback(written) | {"products": "{"},
    ):
        server.hashes[fallback_key("7")] = broken
        assert server.read(reader(), "c9")["c9"].products_from == "caller"
    server.hashes[fallback_key("7")] = encode_fallback(written)
    assert server.read(client, "c9")["c9"].products_from == "popular"
