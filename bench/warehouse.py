"""The section ``warehouse``: the cost of a build as history grows, late data, a full refresh."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from bench import curve, full_refresh, history, late
from bench.process import NotMeasured
from bench.server import counting_postgres

PARTS = ("curve", "late", "refresh")
PEERS = ("stock", "lookback", "microbatch")
LATE_TIMES = (1, 10)  # of the smallest history


def measure(
    parts: Sequence[str],
    *,
    events: int,
    sizes: Sequence[int],
    rounds: int,
    with_peers: bool,
    verbose: bool,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Measure the parts one after the other and print each one's table.

    Args:
        parts: of ``PARTS``.
        events: how many the full refresh takes in.
        sizes: of the curve's histories, as multiples of some 10,000 events.
        rounds: how many new loads the other two parts build.
        with_peers: False leaves the peers out.
        verbose: name the dearest statements, too.
        folder: for the files of the run.
        say: tells how far it is.
    """
    out = Console(soft_wrap=True, highlight=False, markup=False)
    with counting_postgres(folder) as admin_dsn:
        for part in parts:
            load = f"load average {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores"
            named: Sequence[str] = ()
            if part == "curve":
                points = curve.measure(
                    admin_dsn,
                    sizes=sizes,
                    rounds=rounds,
                    customers=history.CUSTOMERS,
                    say=say,
                )
                curve.show(points, load=load)
                named = list(curve.offenders(points))
            elif part == "late":
                for times in LATE_TIMES:
                    outcomes = late.measure(
                        admin_dsn,
                        customers=history.CUSTOMERS * times,
                        new_loads=rounds,
                        peers=PEERS if with_peers else (),
                        folder=folder,
                        say=say,
                    )
                    late.show(outcomes, times=times, load=load)
            else:
                try:
                    refresh = full_refresh.measure(admin_dsn, events=events, folder=folder, say=say)
                except NotMeasured as reason:
                    out.print(f"full refresh: {reason}")
                    continue
                full_refresh.show(refresh, load=load)
                named = list(full_refresh.dearest(refresh))
            if verbose:
                out.print("\n".join(named))
