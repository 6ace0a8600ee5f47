"""Load a topic as one would write it by hand: poll, ``json.loads``, ``executemany``, commit.

Reads its task as JSON from stdin: dsn, kafka, topic, group, table, events. Prints what it took.
"""

import json
import sys
import time
from typing import Any

import psycopg
from columns import row
from confluent_kafka import Consumer

BATCH = 5_000
PATIENCE_SECONDS = 60


def main() -> None:
    """Load until as many events as asked for were read."""
    task = json.load(sys.stdin)
    consumer = Consumer(
        {
            "bootstrap.servers": task["kafka"],
            "group.id": task["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([task["topic"]])
    read, started = 0, 0.0
    asked = time.perf_counter()
    with psycopg.connect(task["dsn"]) as connection:
        while read < task["events"]:
            messages = consumer.consume(BATCH, timeout=1.0)
            if not messages:
                if time.perf_counter() - (started or asked) > PATIENCE_SECONDS:
                    raise SystemExit(f"only {read} of {task['events']} events came")
                continue
            started = started or time.perf_counter()
            _insert(connection, task["table"], [message.value() or b"" for message in messages])
            consumer.commit(asynchronous=False)
            read += len(messages)
    print(json.dumps({"seconds": time.perf_counter() - started}))
    consumer.close()


def _insert(connection: psycopg.Connection[Any], table: str, values: list[bytes]) -> None:
    rows = [row(json.loads(value), value.decode()) for value in values]
    columns = ", ".join(rows[0])
    places = ", ".join(f"%({name})s" for name in rows[0])
    statement = f"insert into {table} ({columns}) values ({places}) on conflict do nothing"
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
    connection.commit()


main()
