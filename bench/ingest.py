r"""Kafka → committed rows: Footfall beside the physical limit and beside what a user might take.

The limit is psql's ``\copy`` of the rows that Footfall stored, and of their keys, into tables with
the same keys, indexes and partitions: no Kafka, no JSON to check, no duplicates to find, no offsets
to keep.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import rows, shop
from bench.contenders import Contender, Run
from bench.peers import connect, programs
from bench.process import Finished, NotMeasured, run
from footfall.settings import settings
from footfall.stack.postgres import binary

FOOTFALL = Path(sys.executable).with_name("footfall")
ENOUGH_TO_SEE = 20_000  # what a peer does about malformed records
# The order of the events, and that of their keys.
ORDERS = {
    "in Kafka's order": ("kafka_offset, kafka_partition", "kafka_offset, kafka_partition"),
    "sorted by key": ("occurred_at, message_id", "raw.message_key(message_id)"),
}


def contenders(
    *, events: int, peer_events: int, with_peers: bool, folder: Path, say: Callable[[str], None]
) -> list[Contender]:
    """Fill the topics and name who takes part.

    Args:
        events: how many events Footfall and psql load.
        peer_events: how many the slower ones load, the first of the same.
        with_peers: False leaves them out.
        folder: for files of the run.
        say: tells how far it is.
    """
    say(f"sending {events:,} events twice, the second time with 1 % malformed")
    shop.fill("bench.clean", shop.clean(events))
    shop.fill("bench.spoiled", shop.spoiled(shop.clean(events)))
    bad = shop.malformed_among(events)
    taking_part = [
        Contender("footfall ingest", events, partial(footfall, "bench.clean", events, 0, folder)),
        Contender(
            "footfall ingest, 1 % malformed",
            events,
            partial(footfall, "bench.spoiled", events, bad, folder),
        ),
    ]
    say("writing the rows that psql copies")
    footfall("bench.clean", events, 0, folder)
    for number, (name, (order, key_order)) in enumerate(ORDERS.items()):
        file, keys = folder / f"{number}.copy", folder / f"{number}.keys"
        psql(
            f"\\copy (select * from raw.events order by {order}) to {file}",
            f"\\copy (select raw.message_key(message_id) from raw.events order by {key_order})"
            f" to {keys}",
            folder=folder,
        )
        copying = partial(copy, file, keys, events, folder)
        is_limit = name == "in Kafka's order"
        taking_part.append(Contender(f"psql \\copy, {name}", events, copying, is_limit=is_limit))
    if with_peers:
        taking_part += _peers(min(peer_events, events), folder, say)
    return taking_part


def _peers(events: int, folder: Path, say: Callable[[str], None]) -> list[Contender]:
    say(f"sending the first {events:,} events again for the peers, plain and with a schema")
    some = min(events, ENOUGH_TO_SEE)
    shop.fill("bench.peers", shop.clean(events))
    shop.fill("bench.schema", shop.with_schema(shop.clean(events)))
    shop.fill("bench.spoiled_schema", shop.spoiled(shop.with_schema(shop.clean(some))))
    valid = some - shop.malformed_among(some)
    by_hand = partial(programs.by_hand, events, folder)
    sink = partial(jdbc_sink, "bench.schema", events, folder)
    tolerant = partial(jdbc_sink, "bench.spoiled_schema", valid, folder, connect.TOLERANT)
    quix = partial(programs.quix_streams, events, folder)
    return [
        Contender("psycopg executemany, by hand", events, by_hand),
        Contender("Kafka Connect, JDBC sink", events, sink),
        Contender("Kafka Connect, 1 % malformed", some, tolerant),
        Contender("Quix Streams, PostgreSQLSink", events, quix),
    ]


def footfall(topic: str, events: int, malformed: int, folder: Path) -> Run:
    """Run the command as a user does, in a fresh process; see that each event is there once."""
    rows.empty()
    env = os.environ | {"FOOTFALL_TOPICS": topic}
    done = run([FOOTFALL, "ingest", "--json"], cwd=folder, env=env)
    said = json.loads(done.output)
    expected = {"stored": events - malformed, "duplicates": 0, "rejected": malformed}
    if any(said[name] != value for name, value in expected.items()):
        raise NotMeasured(f"expected {expected}, but it said {done.output.strip()}")
    rows.check("raw.events", expected=events - malformed, rejected=malformed)
    return Run(done.seconds, said["seconds"], done.peak_mb)


def copy(file: Path, keys: Path, events: int, folder: Path) -> Run:
    """Copy rows and keys into tables like raw.events and raw.message_keys."""
    rows.make_alike("bench.copied")
    done = psql(
        f"\\copy bench.copied_keys from {keys}", f"\\copy bench.copied from {file}", folder=folder
    )
    rows.check("bench.copied", expected=events)
    return Run(done.seconds, None, done.peak_mb)


def psql(*commands: str, folder: Path) -> Finished:
    """Run some commands in one psql."""
    words = [word for command in commands for word in ("-c", command)]
    return run([binary("psql"), settings().postgres, "-qX", *words], cwd=folder)


def jdbc_sink(topic: str, events: int, folder: Path, sink: str = "") -> Run:
    """Let Kafka Connect load a topic with a schema; `events` of its records can be stored."""
    rows.make("bench.connect")
    taken = connect.load(topic, "bench.connect", events, folder=folder, sink=sink)
    rows.check("bench.connect", expected=events)
    return taken
