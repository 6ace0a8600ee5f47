"""The section ``publish``: score sets to Redis, in full and as a delta, beside its limit and Feast.

Each of Footfall's runs is a process of its own, with everything that ``footfall publish`` does:
reading Postgres, encoding, writing, reading back by digest, comparing, moving the pointer.
"""

import json
import os
import shutil
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from redis import Redis
from rich.console import Console
from rich.table import Table

from bench import process
from bench.peers import programs
from bench.process import NotMeasured
from bench.server import counting_postgres, database
from footfall.settings import settings
from footfall.stack import redis as local_redis
from footfall.stack.home import Home
from footfall.storefront.record import record_key

LONGEST_SECONDS = 3600
PIPELINE = 100
SAMPLE = 2_000
"""Records whose text is taken for the raw writer; it sends them again and again."""
FEATURES = 35
CATALOGUE = 20_000
PUBLISH = """
import json, sys
from datetime import UTC, datetime
from footfall.publish.publication import publish
done = publish(now=datetime.now(UTC), actor="bench", full=sys.argv[1] == "full")
print(json.dumps({"records": done.records, "changed": done.changed, "removed": done.removed}))
"""
TABLES = (
    "create table analytics.dim_customers (customer_id text primary key, is_profilable boolean)",
    "create table analytics.customer_rfm (customer_id text, as_of timestamptz, segment text,"
    " primary key (customer_id, as_of))",
    "create table analytics.customer_products (customer_id text, as_of timestamptz, products jsonb,"
    " primary key (customer_id, as_of))",
    "insert into analytics.dim_customers select {id}, true from generate_series(1, {n}) as i",
    "insert into analytics.customer_rfm select {id}, '2018-01-02', (array['champions', 'loyal',"
    " 'at_risk', 'lost'])[i % 4 + 1] from generate_series(1, {n}) as i",
    "insert into analytics.customer_products select {id}, '2018-01-02', jsonb_build_array("
    "(i % {p})::text, (i * 7 % {p})::text, (i * 11 % {p})::text) from generate_series(1, {n}) as i",
    "insert into ml.models (model_id, name, trained_at, as_of, sha256, params, metrics, features,"
    " state, artefact, calibration) select name || '-1', name, now(), '2018-01-02', 'x', '{{}}',"
    " '{{}}', '[]', 'champion', '', '{{}}' from unnest(array['purchase', 'churn']) as name",
)
BUILD = (
    "insert into ops.builds (as_of, built_through, full_refresh, finished_at)"
    " select '2018-01-02', '2018-01-02', not exists (select from ops.builds), now()"
)
TOUCHED = (
    "insert into ops.changed_customers select (select max(build_id) from ops.builds), {id}"
    " from generate_series({every}, {n}, {every}) as i"
)
SET = (
    "insert into ml.score_sets (as_of, model_ids, completed_at, build_id, kept_set)"
    " select '2018-01-02', '{churn-1,purchase-1}', now(), (select max(build_id) from ops.builds),"
    " (select max(score_set) from ml.score_sets)"
)
PASS = (
    "insert into ops.gate_verdicts (gate, subject, verdict, rows_checked, expected, evaluated,"
    " failures) select 'scores', max(score_set)::text, 'pass', 1, 1, 1, '[]' from ml.score_sets"
)
SCORES = """
    insert into ml.scores (score_set, model_id, customer_id, as_of, probability, percentile,
        reasons, scored_at, expires_at, margin, base_value, shap_values, feature_values,
        features_sha256, is_changed)
    select (select max(score_set) from ml.score_sets), model || '-1', {id}, '2018-01-02',
        (i %% 1000) / 1000.0 + case when {changed} then 0.0005 else 0 end, (i %% 1000) / 10.0,
        jsonb_build_array(
            jsonb_build_object('theme', 'recency', 'effect', 'more likely to buy',
                'text', 'last order ' || i %% 90 || ' days ago', 'value', i %% 90),
            jsonb_build_object('theme', 'rhythm', 'effect', 'less likely to buy',
                'text', 'usually every ' || i %% 30 || ' days', 'value', i %% 30),
            jsonb_build_object('theme', 'baskets', 'effect', 'more likely to buy',
                'text', i %% 50 || ' orders in 90 days', 'value', i %% 50)),
        now(), now() + interval '30 days', 0, 0, parts.list, parts.list, md5(i::text || model),
        {noted}
    from unnest(array['churn', 'purchase']) as model, generate_series(1, %(n)s) as i,
        (select array_agg(random()) as list from generate_series(1, {features})) as parts
"""
ID = "'c' || lpad(to_hex(i), 20, '0')"


@dataclass
class Measured:
    """One way of writing profiles, and how long each of its runs took."""

    what: str
    profiles: int
    seconds: list[float] = field(default_factory=list)
    peak_mb: float | None = None
    problem: str | None = None

    @property
    def median(self) -> float:
        """Seconds of the median run."""
        return statistics.median(self.seconds)


def measure(
    *,
    profiles: int,
    rounds: int,
    with_peers: bool,
    folder: Path,
    say: Callable[[str], None],
) -> list[Measured]:
    """Publish so many profiles in turns with the peers; the delta changes one in a hundred."""
    with (
        counting_postgres(folder) as admin_dsn,
        own_redis() as url,
        database("publish", admin_dsn),
    ):
        say(f"publish: writing the scores of {profiles:,} customers")
        fill(profiles)
        full = Measured("footfall publish --full", profiles)
        delta = Measured("footfall publish, a delta of 1 %", profiles // 100)
        raw = Measured("raw HSET over one socket, 100 at once", profiles)
        benchmark = Measured("redis-benchmark -c 1 -P 100", profiles)
        feast = Measured("feast materialize", profiles)
        for number in range(1, rounds + 1):
            say(f"publish: round {number} of {rounds}: in full")
            _run(full, "full", folder, {"records": profiles, "changed": None})
            add_set(profiles, every=100)
            say("publish: a delta")
            _run(delta, "delta", folder, {"records": profiles, "changed": profiles // 100})
            say("publish: the same records, ready-made")
            payload = payload_of(url)
            raw.seconds.append(send_raw(url, payload, profiles))
            _attempt(benchmark, partial(redis_benchmark, url, payload, profiles, folder))
            if with_peers and feast.problem is None:
                say("publish: feast")
                _attempt(feast, partial(programs.feast, profiles, url, folder))
        return [full, delta, raw, benchmark, *([feast] if with_peers else [])]


def show(measured: list[Measured], *, load: str) -> None:
    """Print a row per way, with its rate beside the raw writer's and its time beside the full's."""
    full, _, raw, *_ = measured
    table = Table(title=f"publish, beside ready-made HSETs of the same records ({load})")
    table.add_column("by")
    for heading in ("profiles", "median s", "min s", "max s", "profiles/s", "of raw", "of full"):
        table.add_column(heading, justify="right")
    table.add_column("peak\nRSS MB", justify="right")
    out = Console(width=None if sys.stdout.isatty() else 120)
    for one in measured:
        if not one.seconds:
            table.add_row(one.what, f"{one.profiles:,}", "see below")
            continue
        rate = one.profiles / one.median
        table.add_row(
            one.what,
            f"{one.profiles:,}",
            *(f"{seconds:.2f}" for seconds in (one.median, min(one.seconds), max(one.seconds))),
            f"{rate:,.0f}",
            f"{rate / (raw.profiles / raw.median):.2f}",
            f"{one.median / full.median:.3f}",
            "–" if one.peak_mb is None else f"{one.peak_mb:,.0f}",
        )
    out.print(table)
    for one in measured:
        if one.problem:
            out.print(f"{one.what}: {one.problem}", highlight=False, markup=False)


@contextmanager
def own_redis() -> Iterator[str]:
    """Run a Redis in the home of `bench.server.counting_postgres` while the block lasts."""
    home = Home(settings().home)
    server = local_redis.Redis(home, settings())
    with home.locked():
        entry = server.up()
    os.environ["FOOTFALL_REDIS_URL"] = entry["address"]
    settings.cache_clear()
    try:
        yield str(entry["address"])
    finally:
        del os.environ["FOOTFALL_REDIS_URL"]
        settings.cache_clear()
        with home.locked():
            server.down(entry)


def fill(profiles: int) -> None:
    """Make the tables that dbt would build, two champions, and a first score set."""
    _execute(*(text.format(id=ID, n=profiles, p=CATALOGUE) for text in TABLES))
    add_set(profiles, every=0)


def add_set(profiles: int, *, every: int) -> None:
    """Add a score set that differs from the one before in every n-th customer; 0: the first.

    Whom it changes is noted, as a build and scoring note it.
    """
    number = "(select max(score_set) from ml.score_sets)"
    noted = f"i %% {every} = 0" if every else "true"
    changed = f"{noted} and {number} %% 2 = 0"
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        connection.execute(BUILD.encode())
        if every:
            connection.execute(TOUCHED.format(id=ID, every=every, n=profiles).encode())
        connection.execute(SET.encode())
        text = SCORES.format(id=ID, changed=changed, noted=noted, features=FEATURES)
        connection.execute(text.encode(), {"n": profiles})
        connection.execute(PASS.encode())
        connection.execute(b"vacuum analyze ml.scores")


def payload_of(url: str) -> list[dict[str, str]]:
    """Return what the live records of some customers hold."""
    with Redis.from_url(url, decode_responses=True) as client:
        version = str(client.get("ff:current"))
        names = [f"c{number:020x}" for number in range(1, SAMPLE + 1)]
        found = [client.hgetall(record_key(version, name)) for name in names]
    return [record for record in found if record]


def send_raw(url: str, payload: list[dict[str, str]], profiles: int) -> float:
    """Write as many HSETs, encoded beforehand, 100 at once over one socket; return the seconds.

    The keys are a version's of their own; they are deleted afterwards.
    """
    blocks = []
    for start in range(0, profiles, PIPELINE):
        count = min(PIPELINE, profiles - start)
        numbers = range(start, start + count)
        commands = (_hset(f"raw:c{n:020x}", payload[n % len(payload)]) for n in numbers)
        blocks.append((b"".join(commands), count))
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        for block, count in blocks:
            line.sendall(block)
            answered = 0
            while answered < count:
                reply = line.recv(65536)
                if not reply or b"-" in reply:
                    raise NotMeasured(f"Redis answered {reply[:100]!r}")
                answered += reply.count(b"\n")
        seconds = time.perf_counter() - started
    _forget_raw(url, profiles)
    return seconds


def redis_benchmark(
    url: str, payload: list[dict[str, str]], profiles: int, folder: Path
) -> tuple[float, float | None]:
    """Write as many HSETs of one record to random keys with redis-benchmark; the seconds.

    Raises:
        NotMeasured: no redis-benchmark or valkey-benchmark is on PATH.
    """
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if program is None:
        raise NotMeasured("neither redis-benchmark nor valkey-benchmark is on PATH")
    place = urlsplit(url)
    words = [word for pair in payload[0].items() for word in pair]
    command = [program, "-h", str(place.hostname), "-p", str(place.port), "-c", "1", "-P", "100"]
    command += ["-n", str(profiles), "-r", str(profiles), "-q", "HSET", "raw:__rand_int__", *words]
    started = time.perf_counter()
    process.run(command, cwd=folder, longest=LONGEST_SECONDS)
    seconds = time.perf_counter() - started
    with Redis.from_url(url) as client:
        for start in range(0, profiles, 10_000):
            client.unlink(*(f"raw:{n:012d}" for n in range(start, start + 10_000)))
    return seconds, None


def _hset(key: str, fields: dict[str, str]) -> bytes:
    words = ["HSET", key, *(word for pair in fields.items() for word in pair)]
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(
        b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded
    )


def _forget_raw(url: str, profiles: int) -> None:
    with Redis.from_url(url) as client:
        for start in range(0, profiles, 10_000):
            client.unlink(*(f"raw:c{n:020x}" for n in range(start, start + 10_000)))


def _run(one: Measured, how: str, folder: Path, expected: dict[str, int | None]) -> None:
    command = [sys.executable, "-c", PUBLISH, how]
    ended = process.run(command, cwd=folder, longest=LONGEST_SECONDS)
    told = json.loads(ended.output)
    if any(told[name] != value for name, value in expected.items()):
        raise NotMeasured(f"{one.what}: published {told}, expected {expected}")
    one.seconds.append(ended.seconds)
    one.peak_mb = max(one.peak_mb or 0.0, ended.peak_mb)


def _attempt(one: Measured, act: Callable[[], tuple[float, float | None]]) -> None:
    if one.problem is not None:
        return
    try:
        seconds, peak_mb = act()
    except NotMeasured as reason:
        one.problem = str(reason)
        return
    one.seconds.append(seconds)
    one.peak_mb = peak_mb


def _execute(*statements: str) -> None:
    with psycopg.connect(settings().postgres, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
