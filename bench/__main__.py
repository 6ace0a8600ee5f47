"""Run ``make bench``: servers of its own, some rounds of each contender in turn, medians.

``make bench ARGS="--events 20000 --rounds 1"`` is a quick look.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import ingest
from footfall.settings import settings
from footfall.stack import servers


def main() -> None:
    """Print one table per section."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--events", type=int, default=100_000, help="how many events")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as home:
        Path(home).chmod(0o755)
        os.environ["FOOTFALL_HOME"] = home
        settings.cache_clear()
        servers.up()
        try:
            show("ingest", ingest.measure(events=options.events, rounds=options.rounds))
        finally:
            servers.down()


def show(section: str, seconds: dict[str, list[float]]) -> None:
    """Print each contender's median, and its speed as a share of the last one's, the limit."""
    limit = statistics.median(list(seconds.values())[-1])
    table = Table(title=f"{section} (load average {os.getloadavg()[0]:.1f})")
    for heading in ("contender", "median s", "min s", "max s", "speed beside the limit"):
        table.add_column(heading)
    for name, runs in seconds.items():
        median = statistics.median(runs)
        numbers = (f"{figure:.2f}" for figure in (median, min(runs), max(runs), limit / median))
        table.add_row(name, *numbers)
    Console(width=100).print(table)


main()
