"""What a read takes at a fixed rate, beside a bare GET; and what a profile takes in memory."""

import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import redis.asyncio
from redis import Redis
from redis.exceptions import ConnectionError
from rich.console import Console
from rich.table import Table

from bench.open_loop import one_by_one, over_http
from bench.process import running
from footfall.publish.store import FUNCTIONS
from footfall.stack.redis import binary
from footfall.storefront.client import AsyncStorefront, Storefront
from footfall.storefront.record import Profile, encode, record_key

RATE = 500
SECONDS = 10
PROFILES = 10_000
WIDTH = 120
KEY = "a-key-of-the-bench"
VERSION = "7"
COMPACT = ("--hash-max-listpack-value", "4096", "--hash-max-listpack-entries", "128")
REASONS = (
    "more likely to buy: {} orders in 30 days, {} in 90, in 11 of 13 weeks",
    "more likely to buy: last order {} days ago, usually every {} days",
    "less likely to buy: {} of {} visits ended without a cart",
)

Say = Callable[[str], None]


@dataclass
class Contender:
    """One way to read; ``run`` gives the seconds of each read of one round."""

    name: str
    run: Callable[[], list[float]]
    bare: str | None = None
    rounds: list[list[float]] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return milliseconds: the median of the rounds."""
        return 1000 * statistics.median(
            sorted(taken)[min(int(len(taken) * share), len(taken) - 1)] for taken in self.rounds
        )


def profile(number: int, *, expires_at: datetime) -> Profile:
    """Return a profile as long as a real shop's are."""
    dice = random.Random(number)
    words = tuple(text.format(dice.randrange(40), dice.randrange(90)) for text in REASONS)
    return Profile(
        customer_id=f"c{number:020x}",
        version=VERSION,
        purchase=dice.random(),
        purchase_percentile=100 * dice.random(),
        churn=dice.random(),
        churn_percentile=100 * dice.random(),
        segment=dice.choice(["champions", "loyal", "at risk", "hibernating"]),
        reasons={"churn": words, "purchase": words},
        products=tuple(str(dice.randrange(10**7)) for _ in range(5)),
        as_of=expires_at - timedelta(hours=48),
        scored_at=expires_at - timedelta(hours=47),
        expires_at=expires_at,
        models={"churn": "churn-20180102-29c15f14", "purchase": "purchase-20180102-f3a39b9c"},
        experiment="banner-2026",
        arm=dice.choice(["treatment", "holdout"]),
    )


def measure(
    *, rounds: int, rate: int, seconds: int, with_peers: bool, folder: Path, say: Say
) -> None:
    """Print both tables.

    Args:
        rounds: how often each contender runs.
        rate: reads a second.
        seconds: how long each of them reads.
        with_peers: also the bare commands.
        folder: for the servers.
        say: is told how far it is.
    """
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=48)
    records = [encode(profile(number, expires_at=expires_at)) for number in range(PROFILES)]
    say("memory")
    show_memory(records, folder)
    load = os.getloadavg()[0]
    with ExitStack() as running_now:
        port = running_now.enter_context(valkey(folder))
        _fill(port, records)
        contenders = _contenders(running_now, port, rate=rate, seconds=seconds, folder=folder)
        taking_part = [one for one in contenders if with_peers or one.bare is not None]
        for number in range(1, rounds + 1):
            for one in taking_part:
                say(f"round {number} of {rounds}: {one.name}")
                one.rounds.append(one.run())
    _show(taking_part, rate, load)


def show_memory(records: list[dict[str, str]], folder: Path) -> None:
    """Print what a profile takes on a server as it comes, with compact hashes, and as one text."""
    bytes_per: dict[str, float] = {}
    for name, options, as_text in (
        ("hash, the server as it comes", (), False),
        (f"hash, {COMPACT[0][2:]} {COMPACT[1]}", COMPACT, False),
        ("one JSON text, no HGETALL", (), True),
    ):
        with valkey(folder, *options) as port, Redis(port=port) as client:
            before = client.info("memory")["used_memory"]
            _fill(port, records, as_text=as_text)
            bytes_per[name] = (client.info("memory")["used_memory"] - before) / len(records)
    payload = statistics.mean(sum(map(len, [*one, *one.values()])) for one in records)
    table = Table(title=f"memory per profile, {len(records):,} profiles ({payload:.0f} B of text)")
    table.add_column("stored as")
    for heading in ("bytes", "of the first"):
        table.add_column(heading, justify="right")
    first = next(iter(bytes_per.values()))
    for name, taken in bytes_per.items():
        table.add_row(name, f"{taken:.0f}", f"{taken / first:.2f}")
    _console().print(table)


@contextmanager
def valkey(folder: Path, *options: str) -> Iterator[int]:
    """Run a server while the block lasts; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    words = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    with running([binary(), *words, *options], log=folder / "valkey.log"), Redis(port=port) as one:
        end = monotonic() + 30
        while not _answers(one):
            if monotonic() > end:
                raise RuntimeError(f"no server on port {port}")
            sleep(0.02)
        yield port


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except ConnectionError:
        return False


def _fill(port: int, records: list[dict[str, str]], *, as_text: bool = False) -> None:
    with Redis(port=port) as client:
        client.function_load(FUNCTIONS.read_text(), replace=True)
        pipeline = client.pipeline(transaction=False)
        for number, fields in enumerate(records):
            key = record_key(VERSION, f"c{number:020x}")
            if as_text:
                pipeline.set(key, json.dumps(fields))
            else:
                pipeline.hset(key, mapping=fields)
            pipeline.expire(key, 100_000)
            if number % 1000 == 999:
                pipeline.execute()
        pipeline.set("text", json.dumps(records[0]))
        pipeline.set("ff:current", VERSION)
        pipeline.execute()


def _contenders(
    running_now: ExitStack, port: int, *, rate: int, seconds: int, folder: Path
) -> list[Contender]:
    dice = random.Random(1)
    names = [f"c{dice.randrange(PROFILES):020x}" for _ in range(rate * seconds)]
    url = f"redis://127.0.0.1:{port}"
    bare = running_now.enter_context(Redis.from_url(url, decode_responses=True))
    asking = running_now.enter_context(Storefront(url, timeout=5))
    keeping = running_now.enter_context(Storefront(url, timeout=5, pointer_seconds=1))
    loop = running_now.enter_context(asyncio.Runner())
    bare_async = redis.asyncio.Redis.from_url(url, decode_responses=True)
    running_now.callback(lambda: loop.run(bare_async.aclose()))
    keeping_async = AsyncStorefront(url, timeout=5, pointer_seconds=1)
    running_now.callback(lambda: loop.run(keeping_async.close()))
    host, served = running_now.enter_context(_served(url, folder))

    def each(call: Callable[[str], object]) -> Callable[[], list[float]]:
        return lambda: one_by_one([lambda name=name: call(name) for name in names], rate=rate)

    def known(seen: Profile) -> None:
        if not seen.is_known:
            raise RuntimeError(seen.line())

    requests = [
        f"GET /v1/customers/{name} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {KEY}\r\n\r\n".encode()
        for name in names
    ]
    over_http((host, served), requests[:20], rate=20)  # a service is asked long after its start
    plain, awaited = "redis-py GET of a text as long", "redis.asyncio GET of a text as long"
    return [
        Contender(plain, each(lambda _: bare.get("text"))),
        Contender("Storefront, FCALL_RO", each(lambda name: known(asking.get(name))), plain),
        Contender("Storefront, pointer kept", each(lambda name: known(keeping.get(name))), plain),
        Contender(awaited, each(lambda _: loop.run(bare_async.get("text")))),
        Contender(
            "AsyncStorefront, pointer kept",
            each(lambda name: known(loop.run(keeping_async.get(name)))),
            awaited,
        ),
        Contender(
            "footfall serve, GET /v1/customers/…",
            lambda: over_http((host, served), requests, rate=rate),
            plain,
        ),
    ]


@contextmanager
def _served(url: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Run ``footfall serve`` while the block lasts; give host and port."""
    environment: Mapping[str, str] = os.environ | {
        "FOOTFALL_STOREFRONT_URL": url,
        "FOOTFALL_API_KEYS": KEY,
    }
    process = subprocess.Popen(
        [Path(sys.executable).with_name("footfall"), "serve", "--port", "0", "--json"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())["url"].removeprefix("http://")
        host, _, port = place.partition(":")
        yield host, int(port)
    finally:
        process.terminate()
        process.wait(20)


def _show(contenders: list[Contender], rate: int, load: float) -> None:
    after = os.getloadavg()[0]
    title = f"reads at {rate}/s, ms from when each was due"
    table = Table(title=f"{title} (load average {load:.1f} before, {after:.1f} after)")
    table.add_column("reader")
    for heading in ("p50", "p99", "p99.9", "p99 of the bare\ncommand's"):
        table.add_column(heading, justify="right")
    p99 = {one.name: one.percentile(0.99) for one in contenders}
    for one in contenders:
        figures = (f"{one.percentile(share):.2f}" for share in (0.5, 0.99, 0.999))
        ratio = f"{p99[one.name] / p99[one.bare]:.2f}" if one.bare in p99 else ""
        table.add_row(one.name, *figures, ratio)
    _console().print(table)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)
