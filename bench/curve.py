"""The cost curve: the same new loads on a small history, on ten and on a hundred times as much."""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from bench import history, statements
from bench.server import database, settle
from bench.statements import Statement
from footfall.warehouse.build import build, build_snapshots

SIZES = (1, 10, 100)  # of some 10,000 events
TARGET = 1.3  # of the cost on the smallest history
# Snapshots that late events change: of these weeks, besides the one that is built.
WEEKS = tuple(history.END - history.WEEK * weeks for weeks in (1, 2, 3))
OFFENDERS = 25
EVENTS_AT_ONCE = 20_000  # of the history
WIDTH = 150


@dataclass(frozen=True)
class Increment:
    """What the incremental build of one new load cost."""

    seconds: float
    statements: list[Statement]

    @property
    def buffers(self) -> int:
        """Blocks that the statements looked at."""
        return sum(one.buffers for one in self.statements)

    @property
    def database_seconds(self) -> float:
        """The statements' own time: without dbt."""
        return sum(one.seconds for one in self.statements)


@dataclass(frozen=True)
class Point:
    """One history, and the increments that were built on it."""

    times: int
    events: int
    full_seconds: float
    increments: list[Increment] = field(default_factory=list)


def measure(
    admin_dsn: str,
    *,
    sizes: Sequence[int],
    rounds: int,
    customers: int,
    say: Callable[[str], None],
) -> list[Point]:
    """Build each history, then the new loads on it, one build each.

    Args:
        admin_dsn: of the server that counts.
        sizes: of the histories, as multiples of the small shop that is in each.
        rounds: how many new loads; the same ones for each history.
        customers: of the small shop.
        say: tells how far it is.
    """
    return [_point(admin_dsn, size, rounds, customers, say) for size in sizes]


def _point(
    admin_dsn: str, size: int, rounds: int, customers: int, say: Callable[[str], None]
) -> Point:
    with database("curve", admin_dsn):
        say(f"history {size}x: storing")
        shop = history.history(customers * size, new_loads=rounds)
        stored = history.store(shop, at_once=EVENTS_AT_ONCE)
        say(f"history {size}x: {stored.events:,} events, building all of it")
        point = Point(size, stored.events, build(history.END).seconds)
        build_snapshots(WEEKS)
        say(
            f"history {size}x: vacuum and checkpoint, as a history has had that is older than a day"
        )
        settle(admin_dsn)
        for number in range(rounds):
            load = history.new_load(number, of=rounds)
            history.store(load)
            statements.forget(admin_dsn)
            built = build(history.END)
            point.increments.append(Increment(built.seconds, statements.seen(admin_dsn)))
            say(f"history {size}x: {len(load)} new events built in {built.seconds:.1f} s")
    return point


def show(points: Sequence[Point], *, load: str) -> None:
    """Print a row per history; the ratios are those of medians to the smallest history's."""
    table = Table(title=f"warehouse: the same new load on more and more history ({load})")
    for heading in ("history", "events", "full\ns", "increment\ns", "SQL s", "buffers"):
        table.add_column(heading, justify="right")
    for heading in ("s\nratio", "SQL s\nratio", "buffers\nratio"):
        table.add_column(heading, justify="right")
    least = _medians(points[0])
    for point in points:
        seconds, sql, buffers = _medians(point)
        ratios = [f"{one / first:.2f}" for one, first in zip(_medians(point), least, strict=True)]
        table.add_row(
            f"{point.times / points[0].times:g}x",
            f"{point.events:,}",
            f"{point.full_seconds:.1f}",
            f"{seconds:.2f}",
            f"{sql:.2f}",
            f"{buffers:,.0f}",
            *ratios,
        )
    out = Console(width=None if Console().is_terminal else 120)
    out.print(table)
    out.print(verdict(points), highlight=False)


def verdict(points: Sequence[Point]) -> str:
    """Say how much the dearest history costs beside the smallest one, and what is wanted."""
    least = _medians(points[0])
    seconds, buffers = (max(_medians(one)[at] / least[at] for one in points) for at in (0, 2))
    met = "met" if max(seconds, buffers) <= TARGET else "missed"
    return f"at most {TARGET:g} is wanted: seconds {seconds:.2f}, buffers {buffers:.2f}: {met}"


def offenders(points: Sequence[Point]) -> Iterator[str]:
    """Tell of the statements that cost most more on the greatest history than on the smallest."""
    first, last = by_text(points[0]), by_text(points[-1])
    growth = {text: last[text] - first.get(text, 0) for text in last}
    seconds = Counter[str]()
    for increment in points[-1].increments:
        for one in increment.statements:
            seconds[short(one.text)] += one.seconds / len(points[-1].increments)
    for text, more in sorted(growth.items(), key=lambda one: -one[1])[:OFFENDERS]:
        yield f"{more:+12,.0f} buffers, now {last[text]:,.0f}, {seconds[text]:.3f} s: {text}"


def _medians(point: Point) -> tuple[float, float, float]:
    increments = point.increments
    return (
        statistics.median(one.seconds for one in increments),
        statistics.median(one.database_seconds for one in increments),
        statistics.median(one.buffers for one in increments),
    )


def by_text(point: Point) -> dict[str, float]:
    """Return the buffers of each kind of statement, of an average increment."""
    counted = Counter[str]()
    for increment in point.increments:
        for one in increment.statements:
            counted[short(one.text)] += one.buffers
    return {text: total / len(point.increments) for text, total in counted.items()}


def short(text: str) -> str:
    """Return the beginning of a statement without dbt's comment, spaces and unstable names."""
    words = text.partition("*/")[2] if text.lstrip().startswith("/*") else text
    return re.sub(r"__dbt_tmp\d+", "__dbt_tmp", " ".join(words.split()))[:WIDTH]
