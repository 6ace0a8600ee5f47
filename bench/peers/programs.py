"""Run the peers in Python: each a program that loads one topic into one table."""

import itertools
import json
import sys
from pathlib import Path

from bench import rows
from bench.contenders import Run
from bench.process import NotMeasured, run
from footfall.settings import settings

HERE = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")

_numbers = itertools.count(1)


def by_hand(events: int, folder: Path) -> Run:
    """Load with psycopg's executemany, in Footfall's own environment."""
    return _load(Path(sys.executable), "by_hand.py", events, folder)


def quix_streams(events: int, folder: Path) -> Run:
    """Load with Quix Streams, in an environment that is made for it the first time."""
    python = folder / "quix" / "bin" / "python"
    if not python.exists():
        _make_environment(python, HERE / "quix-requirements.txt", folder)
    return _load(python, "quix_sink.py", events, folder)


def _make_environment(python: Path, pins: Path, folder: Path) -> None:
    uv: list[str | Path] = [UV, "--quiet"]
    run([*uv, "venv", "--python", sys.executable, python.parent.parent], cwd=folder)
    target: list[str | Path] = ["--python", python, "--require-hashes", "--requirements", pins]
    run([*uv, "pip", "install", *target], cwd=folder)


def _load(python: Path, program: str, events: int, folder: Path) -> Run:
    table = "bench." + program.removesuffix(".py")
    rows.make(table)
    task = {
        "dsn": settings().postgres,
        "kafka": settings().kafka,
        "topic": "bench.peers",
        "group": f"bench-{next(_numbers)}",
        "table": table,
        "events": events,
    }
    done = run([python, HERE / program], cwd=folder, given=json.dumps(task))
    rows.check(table, expected=events)
    try:
        return Run(done.seconds, json.loads(done.output)["seconds"], done.peak_mb)
    except (ValueError, KeyError):
        raise NotMeasured(f"it printed {done.output.strip()[:200]!r}") from None
