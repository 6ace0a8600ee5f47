"""Kafka Connect in standalone mode with Debezium's JDBC sink, upserting by the primary key.

Its start is part of the measured time, as everybody's. JDBC sinks need a schema: the topic holds
the same events as flat rows with their schema beside them.
"""

import itertools
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench import rows
from bench.contenders import Run
from bench.process import LONGEST_SECONDS, NotMeasured, PeakMemory, running
from footfall.settings import settings
from footfall.stack.jars import NoApacheKafka, jars, java
from footfall.stack.process import choose_port

POM = Path(__file__).with_name("connect-pom.xml")
MAIN = "org.apache.kafka.connect.cli.ConnectStandalone"
MEMORY = ("-Xms256M", "-Xmx2G")  # what Kafka's own start script gives it
QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
ASK_SECONDS = 0.25

WORKER = """\
bootstrap.servers={kafka}
listeners=http://127.0.0.1:{port}
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=true
offset.storage.file.filename={folder}/offsets
consumer.max.poll.records=10000
consumer.max.partition.fetch.bytes=16777216
consumer.fetch.max.bytes=67108864
"""
# Of batch.size 500 to 10000, one to four tasks, reWriteBatchedInserts and UNNEST, the fastest.
SINK = """\
name={name}
connector.class=io.debezium.connector.jdbc.JdbcSinkConnector
tasks.max=2
topics={topic}
connection.url=jdbc:postgresql://{host}:{db_port}{database}?reWriteBatchedInserts=true
connection.username={user}
connection.password={password}
collection.name.format={table}
insert.mode=upsert
primary.key.mode=record_value
primary.key.fields=message_id
schema.evolution=none
batch.size=10000
dialect.postgres.unnest.insert.enabled=true
"""

# Sets aside what the converter cannot read, instead of stopping.
TOLERANT = """\
errors.tolerance=all
errors.deadletterqueue.topic.name=bench.dead_letters
errors.deadletterqueue.topic.replication.factor=1
"""

_numbers = itertools.count(1)


def load(topic: str, table: str, events: int, *, folder: Path, sink: str = "") -> Run:
    """Load a topic's events into a table.

    Args:
        topic: what to read.
        table: where to.
        events: how many rows to wait for.
        folder: for its settings and logs.
        sink: further settings of the sink.

    Raises:
        NotMeasured: there is no Java or Maven, or the sink stopped.
    """
    port = choose_port()
    name = f"bench-{next(_numbers)}"
    command, log = _command(name, topic, table, port, folder, sink), folder / f"{name}.log"
    started = time.perf_counter()
    with running(command, log=log) as (pid, memory):
        first = _await(table, 1, name, port, pid, log)
        first_at = time.perf_counter()
        last = _await(table, events, name, port, pid, log)
        ended = time.perf_counter()
    return _run(events, first, last, first_at - started, ended - started, memory)


def _run(
    events: int, first: int, last: int, first_at: float, ended: float, memory: PeakMemory
) -> Run:
    """Work out the speed between the first rows that were seen and the last, if far apart."""
    seen_growing = last - first >= events / 2
    working = events * (ended - first_at) / (last - first) if seen_growing else None
    return Run(ended, working, memory.megabytes)


def _command(
    name: str, topic: str, table: str, port: int, folder: Path, sink: str
) -> list[str | Path]:
    try:
        program, classes = java(), jars(POM)
    except NoApacheKafka as reason:
        raise NotMeasured(str(reason)) from None
    place = urlsplit(settings().postgres)
    worker_file, sink_file = folder / f"{name}-worker.properties", folder / f"{name}.properties"
    worker_file.write_text(WORKER.format(kafka=settings().kafka, port=port, folder=folder))
    filled = SINK.format(
        name=name,
        topic=topic,
        table=table,
        host=place.hostname,
        db_port=place.port,
        database=place.path,
        user=place.username,
        password=place.password,
    )
    sink_file.write_text(filled + sink)
    return [program, *MEMORY, QUIET, "-cp", f"{classes}/*", MAIN, worker_file, sink_file]


def _await(table: str, expected: int, name: str, port: int, pid: int, log: Path) -> int:
    """Wait until a table has so many rows; return how many it has then."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while (found := rows.count(table)) < expected:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            raise NotMeasured(f"Connect ended; {found} rows stored: {_last_line(log)}")
        if problem := _failure(name, port):
            raise NotMeasured(f"{found} rows stored, then the sink stopped: {problem}")
        if time.monotonic() > deadline:
            raise NotMeasured(f"{found} rows stored within {LONGEST_SECONDS} s")
        time.sleep(ASK_SECONDS)
    return found


def _failure(name: str, port: int) -> str | None:
    """Return why a task of the sink has failed, None if none has."""
    url = f"http://127.0.0.1:{port}/connectors/{name}/status"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            tasks = json.load(answer)["tasks"]
    except (urllib.error.URLError, OSError):
        return None  # not yet up, or busy: the deadline tells
    causes = [_cause(task.get("trace", "")) for task in tasks if task["state"] == "FAILED"]
    return causes[0] if causes else None


def _cause(trace: str) -> str:
    lines = [line for line in trace.splitlines() if line.startswith("Caused by")]
    return (lines or trace.splitlines() or ["no reason given"])[-1][:200]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it logged nothing"
