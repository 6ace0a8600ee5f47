"""Where a model's rows came from: builds and loads, and the dbt models behind its features."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.settings import ROOT

PROJECT = ROOT / "dbt_project"
FEATURES = "customer_features"
UPSTREAM = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")


@dataclass(frozen=True)
class Origin:
    """Builds and loads, counted; each with its first and last id, None where there is none."""

    builds: int
    build_ids: tuple[int, int] | None
    loads: int
    load_ids: tuple[int, int] | None
    events: int


def origin(connection: Connection[TupleRow], as_ofs: Sequence[datetime]) -> Origin:
    """Return what the snapshots of these instants were built from.

    A snapshot rests on what the build that made it, and all before it, took in.
    """
    row = connection.execute(
        "with made as ("
        "  select build_id from ops.snapshots where as_of = any(%s) and build_id is not null"
        "), loaded as ("
        "  select loads.load_id, loads.stored from raw.loads as loads where loads.load_id in ("
        "    select load_id from ops.build_loads"
        "    where build_id <= (select max(build_id) from made))"
        ") select (select count(distinct build_id) from made), (select min(build_id) from made),"
        " (select max(build_id) from made), count(*), min(load_id), max(load_id),"
        " coalesce(sum(stored), 0)::bigint from loaded",
        (list(as_ofs),),
    ).fetchone()
    assert row is not None  # an aggregate has one row
    builds, first_build, last_build, loads, first_load, last_load, events = row
    return Origin(
        builds=builds,
        build_ids=(first_build, last_build) if builds else None,
        loads=loads,
        load_ids=(first_load, last_load) if loads else None,
        events=events,
    )


def tables_behind(model: str = FEATURES, *, project: Path = PROJECT) -> list[str]:
    """Return the dbt models that a dbt model is computed by, itself last, upstream first.

    They are read off the ``ref`` of the models' files: no dbt is started for it. What only a macro
    refers to is not seen.
    """
    files = {file.stem: file for file in sorted((project / "models").rglob("*.sql"))}
    found: list[str] = []

    def visit(name: str) -> None:
        if name in found or name not in files:
            return
        for upstream in UPSTREAM.findall(files[name].read_text()):
            visit(upstream)
        found.append(name)

    visit(model)
    return found
