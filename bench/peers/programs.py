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

LONGEST_FEAST_SECONDS = 3600

_numbers = itertools.count(1)


def by_hand(events: int, folder: Path) -> Run:
    """Load with psycopg's executemany, in Footfall's own environment."""
    return _load(Path(sys.executable), "by_hand.py", events, folder)


def quix_streams(events: int, folder: Path) -> Run:
    """Load with Quix Streams, in an environment that is made for it the first time."""
    return _load(environment("quix", folder), "quix_sink.py", events, folder)


def woodelf(model: Path, rows: Path, found: Path, folder: Path) -> float:
    """Explain rows with woodelf, in an environment that is made for it the first time.

    Args:
        model: a booster's file.
        rows: a file of numpy.
        found: the file for the SHAP values.
        folder: for the environment.

    Returns:
        The seconds, without the start of the process.
    """
    task = {"model": str(model), "rows": str(rows), "found": str(found)}
    program = [environment("woodelf", folder), HERE / "woodelf_shap.py"]
    done = run(program, cwd=folder, given=json.dumps(task))
    return float(json.loads(done.output)["seconds"])


def feast(profiles: int, url: str, folder: Path) -> tuple[float, float]:
    """Materialize as many profiles into Redis with Feast, in an environment of its own.

    Returns:
        The seconds of ``materialize``, without the start of the process, and its peak memory.
    """
    repo = folder / "feast-repo"
    repo.mkdir(exist_ok=True)
    task = {"profiles": profiles, "redis": url, "folder": str(repo)}
    program = [environment("feast", folder), HERE / "feast_materialize.py"]
    done = run(program, cwd=repo, given=json.dumps(task), longest=LONGEST_FEAST_SECONDS)
    last = done.output.splitlines()[-1]  # Feast tells of its progress before
    return float(json.loads(last)["seconds"]), done.peak_mb


def environment(name: str, folder: Path) -> Path:
    """Return the Python of a peer's environment."""
    python = folder / name / "bin" / "python"
    if python.exists():
        return python
    pins = HERE / f"{name}-requirements.txt"
    uv: list[str | Path] = [UV, "--quiet"]
    run([*uv, "venv", "--python", sys.executable, python.parent.parent], cwd=folder)
    # All that they need is pinned; what xgboost asks for only to use GPUs is left out.
    target: list[str | Path] = ["--python", python, "--require-hashes", "--requirements", pins]
    target.append("--no-deps")
    run([*uv, "pip", "install", *target], cwd=folder)
    return python


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
