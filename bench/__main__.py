"""Run ``make bench``: some rounds of each contender in turn, on servers of its own; medians.

``make bench ARGS="--section ingest --events 20000 --rounds 1 --no-peers"`` is a quick look.
"""

import argparse
import os
import tempfile
from collections.abc import Collection
from contextlib import chdir
from pathlib import Path

from rich.console import Console

from bench import contenders, curve, lookup, ml, warehouse
from bench.contenders import Contender, Run
from footfall.settings import settings
from footfall.stack import servers

SECTIONS = ("ingest", "simulate", "warehouse", "ml", "publish", "lookup", "freshness")

log = Console(stderr=True)


def main() -> None:
    """Print one table per section."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="default: all")
    parser.add_argument("--events", type=int, default=500_000, help="how many events")
    parser.add_argument(
        "--peer-events", type=int, default=100_000, help="how many for the slower peers"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument(
        "--part",
        action="append",
        choices=(*warehouse.PARTS, *ml.PARTS),
        help="of the warehouse or ml; default: all",
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=curve.SIZES,
        help="of the curve's histories, as multiples of some 10,000 events",
    )
    parser.add_argument("--rows", type=int, default=ml.ROWS, help="how many rows training reads")
    parser.add_argument(
        "--customers", type=int, help="of the shop that the oracle knows, or of freshness"
    )
    parser.add_argument("--rate", type=int, help="reads a second, or events of freshness")
    parser.add_argument(
        "--seconds", type=int, help="of reads per contender and round, or of events"
    )
    parser.add_argument(
        "--profiles", type=int, default=100_000, help="how many customers are published"
    )
    parser.add_argument(
        "--online-shoppers", type=Path, metavar="FILE", help="the CSV of the part shoppers"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="name the dearest statements of the warehouse"
    )
    options = parser.parse_args()
    for section in options.section or SECTIONS:
        if section == "warehouse":
            measure_warehouse(options)
            continue
        if section == "ml":
            measure_ml(options)
            continue
        if section == "lookup":
            measure_lookup(options)
            continue
        if section == "publish":
            measure_publish(options)
            continue
        if section == "freshness":
            measure_freshness(options)
            continue
        load = os.getloadavg()[0]
        title, taking_part = measure_ingest(options) if section == "ingest" else simulated(options)
        contenders.show(title, taking_part, load)


def measure_ingest(options: argparse.Namespace) -> tuple[str, list[Contender]]:
    """Run the section ``ingest`` on servers of its own."""
    from bench import ingest

    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder, chdir(folder):
        Path(folder).chmod(0o755)  # Postgres runs as another user where this one is root
        forget_the_users_servers()
        os.environ["FOOTFALL_HOME"] = str(Path(folder, "home"))
        settings.cache_clear()
        say("starting servers")
        broker = next(one for one in servers.up().services if one.name == "kafka")
        try:
            taking_part = ingest.contenders(
                events=options.events,
                peer_events=options.peer_events,
                with_peers=not options.no_peers,
                folder=Path(folder),
                say=say,
            )
            contenders.take_turns(taking_part, rounds=options.rounds, say=say)
        finally:
            servers.down()
    return f"ingest, Kafka: {broker.facts.get('kind')}", taking_part


def measure_warehouse(options: argparse.Namespace) -> None:
    """Run the section ``warehouse`` on a Postgres of its own."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder, chdir(folder):
        Path(folder).chmod(0o755)
        forget_the_users_servers()
        warehouse.measure(
            asked_for(options, warehouse.PARTS),
            events=options.events,
            sizes=options.sizes,
            rounds=options.rounds,
            with_peers=not options.no_peers,
            verbose=options.verbose,
            folder=Path(folder),
            say=say,
        )


def measure_ml(options: argparse.Namespace) -> None:
    """Run the section ``ml``; a part that needs a Postgres gets its own."""
    shoppers = options.online_shoppers and options.online_shoppers.absolute()
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder, chdir(folder):
        Path(folder).chmod(0o755)
        forget_the_users_servers()
        ml.measure(
            asked_for(options, ml.PARTS),
            ml.Asked(
                rounds=options.rounds,
                rows=options.rows,
                customers=options.customers or ml.CUSTOMERS,
                with_peers=not options.no_peers,
                online_shoppers=shoppers,
                folder=Path(folder),
                say=say,
            ),
        )


def measure_lookup(options: argparse.Namespace) -> None:
    """Run the section ``lookup`` on a Redis of its own."""
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder, chdir(folder):
        forget_the_users_servers()
        lookup.measure(
            rounds=options.rounds,
            rate=options.rate or lookup.RATE,
            seconds=options.seconds or lookup.SECONDS,
            with_peers=not options.no_peers,
            folder=Path(folder),
            say=say,
        )


def measure_publish(options: argparse.Namespace) -> None:
    """Run the section ``publish`` on a Postgres and a Redis of its own."""
    from bench import publish

    load = f"load average {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores"
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder, chdir(folder):
        Path(folder).chmod(0o755)
        forget_the_users_servers()
        measured = publish.measure(
            profiles=options.profiles,
            rounds=options.rounds,
            with_peers=not options.no_peers,
            folder=Path(folder),
            say=say,
        )
    publish.show(measured, load=load)


def measure_freshness(options: argparse.Namespace) -> None:
    """Run the section ``freshness`` on servers and an Airflow of its own."""
    from bench import freshness

    load = f"load average {os.getloadavg()[0]:.1f} before; {os.cpu_count()} cores"
    with tempfile.TemporaryDirectory(prefix="footfall-bench-") as folder, chdir(folder):
        Path(folder).chmod(0o755)
        forget_the_users_servers()
        os.environ["FOOTFALL_HOME"] = str(Path(folder, "home"))
        os.environ.update(freshness.WIDE_BOUNDS)
        settings.cache_clear()
        try:
            measured = freshness.measure(
                customers=options.customers or freshness.CUSTOMERS,
                rate=options.rate or freshness.RATE,
                seconds=options.seconds or freshness.SECONDS,
                say=say,
            )
        finally:
            servers.down()
    freshness.show(measured, load=load)


def asked_for(options: argparse.Namespace, parts: Collection[str]) -> list[str]:
    """Return which of a section's parts are to be measured: all, if none is named."""
    return [part for part in options.part or parts if part in parts]


def forget_the_users_servers() -> None:
    """Drop what the environment sets (.env is out of reach): the tables are emptied many times."""
    for name in [name for name in os.environ if name.startswith("FOOTFALL_")]:
        if name != "FOOTFALL_KAFKA_BROKER":
            del os.environ[name]


def simulated(options: argparse.Namespace) -> tuple[str, list[Contender]]:
    """Run the section ``simulate``, which needs no servers."""
    from bench import simulate

    say("simulate")
    seconds = simulate.measure(events=options.events, rounds=options.rounds)
    return "simulate, seconds of CPU", of_seconds(seconds, options.events)


def of_seconds(seconds: dict[str, list[float]], events: int) -> list[Contender]:
    """Return contenders that were run already; the last is the limit."""

    def done() -> Run:
        raise AssertionError("these have run")

    names = list(seconds)
    return [
        Contender(name, events, done, name == names[-1], [Run(one) for one in seconds[name]])
        for name in names
    ]


def say(text: str) -> None:
    """Tell how far it is."""
    log.print(f"bench: {text}", style="dim", highlight=False, soft_wrap=True)


main()
