"""What is measured, in turns, and how it is shown."""

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from bench.process import NotMeasured

WIDTH = 120  # where nobody looks at a terminal
HEADINGS = (
    "events",
    "median s",
    "min s",
    "max s",
    "events/s",
    "of the\nlimit",
    "once started\nevents/s",
    "peak\nRSS MB",
)


@dataclass(frozen=True)
class Run:
    """One run: from the start of the process to its end.

    ``working`` is the part in which events moved: without the start of an interpreter or a JVM.
    """

    seconds: float
    working: float | None = None
    peak_mb: float | None = None


@dataclass
class Contender:
    """One way of doing the work, with its runs so far; ``problem`` says why there are none."""

    name: str
    events: int
    run: Callable[[], Run]
    is_limit: bool = False
    runs: list[Run] = field(default_factory=list)
    problem: str | None = None

    @property
    def rate(self) -> float:
        """Events per second, of the median run."""
        return self.events / statistics.median(run.seconds for run in self.runs)


def take_turns(contenders: Sequence[Contender], *, rounds: int, say: Callable[[str], None]) -> None:
    """Run each contender once per round; one that cannot be measured is left out from then on."""
    for number in range(1, rounds + 1):
        for contender in contenders:
            if contender.problem is not None:
                continue
            say(f"round {number} of {rounds}: {contender.name}")
            try:
                contender.runs.append(contender.run())
            except NotMeasured as reason:
                contender.problem = str(reason)


def show(title: str, contenders: Sequence[Contender], load_before: float) -> None:
    """Print a row per contender: the median run, and its speed as a share of the limit's."""
    limit = max((one.rate for one in contenders if one.is_limit and one.runs), default=None)
    load = f"load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    table = Table(title=f"{title} ({load}; {os.cpu_count()} cores)")
    table.add_column("contender")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for contender in contenders:
        if contender.runs and contender.problem is None:
            table.add_row(contender.name, *_figures(contender, limit))
        else:
            table.add_row(contender.name, f"{contender.events:,}", "see below")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    for contender in contenders:
        if contender.problem is not None:
            console.print(f"{contender.name}: {contender.problem}", highlight=False, markup=False)


def _figures(contender: Contender, limit: float | None) -> list[str]:
    seconds = [run.seconds for run in contender.runs]
    working = [run.working for run in contender.runs if run.working]
    memory = [run.peak_mb for run in contender.runs if run.peak_mb]
    started = contender.events / statistics.median(working) if working else None
    return [
        f"{contender.events:,}",
        f"{statistics.median(seconds):.2f}",
        f"{min(seconds):.2f}",
        f"{max(seconds):.2f}",
        f"{contender.rate:,.0f}",
        f"{contender.rate / limit:.2f}" if limit else "–",
        f"{started:,.0f}" if started else "–",
        f"{max(memory):,.0f}" if memory else "–",
    ]
