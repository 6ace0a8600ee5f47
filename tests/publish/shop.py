"""Builders: a scored shop in Postgres, and publishers that die or pause where a test wants it."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hiredis import pack_command
from psycopg.types.json import Jsonb

from footfall.publish import bulk

NOW = datetime.now(UTC).replace(microsecond=0)  # Redis expires keys by its own clock
AS_OF = datetime(2018, 1, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
TRACED = (
    "footfall/publish/",
    "footfall/warehouse/publications.py",
    "footfall/warehouse/records.py",
    "footfall/warehouse/images.py",
)

ANALYTICS = """
    create table analytics.dim_customers (customer_id text primary key, is_profilable boolean);
    create table analytics.customer_rfm (customer_id text, as_of timestamptz, segment text,
        primary key (customer_id, as_of));
    create table analytics.customer_products (customer_id text, as_of timestamptz, products jsonb,
        primary key (customer_id, as_of));
    create table analytics.customer_identities (ref text primary key, id_kind text,
        external_id text, customer_id text, linked_at timestamptz);
"""


def customer(number: int) -> str:
    return f"c{number:020x}"


def damage_on_the_way(
    monkeypatch: pytest.MonkeyPatch,
    *,
    wrong: Collection[int] = (),
    longer: Collection[int] = (),
    lost: Collection[int] = (),
) -> None:
    """Let the records of these customers arrive with another score, one field more, or never."""

    def pack(words: tuple[str | int, ...]) -> bytes:
        if words[0] in ("COPY", "HSET"):
            name = str(words[2 if words[0] == "COPY" else 1]).rpartition(":")[2]
            if name in map(customer, lost):
                return pack_command(("PING",))
            if words[0] == "HSET" and name in map(customer, wrong):
                words = (*words[:3], "0.9", *words[4:])
            if words[0] == "HSET" and name in map(customer, longer):
                words = (*words, "unheard_of", "1")
        return pack_command(words)

    monkeypatch.setattr(bulk, "pack_command", pack)


@dataclass
class Shop:
    """A shop with customers 0…n-1, whose user ids are ``user-0``…; tests add the score sets."""

    connection: psycopg.Connection[Any]
    size: int

    @classmethod
    def open(cls, dsn: str, *, size: int = 5) -> "Shop":
        """Make the tables that dbt would build, the customers, and a champion of each name."""
        shop = cls(psycopg.connect(dsn, autocommit=True), size)
        shop.connection.execute(ANALYTICS)
        everyone = [customer(number) for number in range(size)]
        shop.many(
            "insert into analytics.dim_customers values (%s, true)", ((name,) for name in everyone)
        )
        shop.many(
            "insert into analytics.customer_identities values (%s, 'user', %s, %s, %s)",
            ((f"u:user-{n}", f"user-{n}", name, AS_OF) for n, name in enumerate(everyone)),
        )
        for name in ("purchase", "churn"):
            shop.connection.execute(
                "insert into ml.models (model_id, name, trained_at, as_of, sha256, params, metrics,"
                " features, state, artefact, calibration)"
                " values (%s, %s, %s, %s, 'x', '{}', '{}', '[]', 'champion', '', '{}')",
                (f"{name}-1", name, NOW, AS_OF),
            )
        return shop

    def many(self, query: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for each row."""
        with self.connection.cursor() as cursor:
            cursor.executemany(query, rows)

    def score(
        self,
        *,
        as_of: datetime = AS_OF,
        verdict: str | None = "pass",
        complete: bool = True,
        expires_at: datetime = NOW + timedelta(days=30),
        customers: Iterable[int] | None = None,
        models: Iterable[str] = ("purchase", "churn"),
        changed: Collection[int] | None = None,
        base: int = 1,
        noted: bool = False,
    ) -> int:
        """Add a set in which every field of every record tells the set's number.

        With ``changed`` only the records of these customers do; the others tell ``base``. With
        ``noted`` a build and scoring have noted them as whom the set before does not know so.
        """
        numbers = range(self.size) if customers is None else customers
        touched = numbers if changed is None else changed
        kept_set, build_id = self.build(touched) if noted else (None, None)
        (score_set,) = self.connection.execute(
            "insert into ml.score_sets (as_of, model_ids, completed_at, kept_set, build_id)"
            " values (%s, %s, %s, %s, %s) returning score_set",
            (as_of, ["purchase-1", "churn-1"], NOW if complete else None, kept_set, build_id),
        ).fetchone() or (0,)

        def told(number: int) -> int:
            return score_set if number in touched else base

        def reasons(number: int) -> Jsonb:
            text = f"because of set {told(number)}"
            return Jsonb([{"theme": "recency", "effect": "more likely", "text": text}])

        self.many(
            "insert into ml.scores (score_set, model_id, customer_id, as_of, probability,"
            " percentile, reasons, scored_at, expires_at, margin, base_value, shap_values,"
            " feature_values, features_sha256, is_changed)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, '{}', '{}', 'x', %s)",
            (
                (score_set, f"{model}-1", customer(number), as_of, told(number) / 1000)
                + (told(number) / 10, reasons(number), NOW, expires_at)
                + (not noted or number in touched,)
                for number in numbers
                for model in models
            ),
        )
        if verdict is not None:
            self.judge(score_set, verdict)
        return int(score_set)

    def build(self, touched: Iterable[int]) -> tuple[int | None, int]:
        """Add a build that made these customers' rows anew; give the newest set, and the build."""
        newest, build_id = self.connection.execute(
            "insert into ops.builds (as_of, built_through, full_refresh, finished_at)"
            " values (%s, %s, false, %s)"
            " returning (select max(score_set) from ml.score_sets), build_id",
            (AS_OF, AS_OF, NOW),
        ).fetchone() or (None, 0)
        self.many(
            "insert into ops.changed_customers values (%s, %s)",
            ((build_id, customer(number)) for number in touched),
        )
        return newest, int(build_id)

    def judge(self, score_set: int, verdict: str) -> None:
        """Add a verdict of the scores gate."""
        self.connection.execute(
            "insert into ops.gate_verdicts (gate, subject, verdict, rows_checked, expected,"
            " evaluated, failures) values ('scores', %s, %s, 1, 1, 1, '[]')",
            (str(score_set), verdict),
        )

    def segment(self, as_of: datetime, segment: str) -> None:
        """Put everyone into a segment."""
        self.many(
            "insert into analytics.customer_rfm values (%s, %s, %s)",
            ((customer(number), as_of, segment) for number in range(self.size)),
        )

    def states(self) -> dict[str, str]:
        """Give the state of each publication by version."""
        rows = self.connection.execute("select version::text, state from serving.publications")
        return dict(rows.fetchall())

    def score_set_of(self, version: str | None) -> int:
        """Give the set that a publication carries."""
        row = self.connection.execute(
            "select score_set from serving.publications where version = %s", (version,)
        ).fetchone()
        assert row is not None
        return int(row[0])


def trace_lines(act: Callable[[], Any], on_line: Callable[[int], None]) -> int:
    """Call ``on_line`` before each line of publishing code that a function runs; count them."""
    count = 0

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal count
        if event == "call":
            return trace if any(part in frame.f_code.co_filename for part in TRACED) else None
        if event == "line":
            count += 1
            on_line(count)
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return count


def child(act: Callable[[], Any], *, at_line: int, signal_: signal.Signals) -> int:
    """Run a function in a process that signals itself before its n-th line; return the pid.

    The child exits 0 when the function returns, 3 when it is fenced out, 4 on any other error.
    """
    pid = os.fork()
    if pid:
        return pid
    from footfall.errors import Fenced

    status = 4
    try:
        trace_lines(act, lambda line: os.kill(os.getpid(), signal_) if line == at_line else None)
        status = 0
    except Fenced:
        status = 3
    except BaseException:
        traceback.print_exc()  # a test that fails shows it
    finally:
        os._exit(status)
