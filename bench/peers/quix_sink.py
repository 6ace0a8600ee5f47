"""Load a topic with Quix Streams and its PostgreSQL sink, in an environment of its own.

Reads its task as JSON from stdin: dsn, kafka, topic, group, table, events. Prints what it took.
"""

import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from columns import row
from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink

BATCH = 10_000
PATIENCE_SECONDS = 60


def main() -> None:
    """Load until as many events as asked for were read."""
    task = json.load(sys.stdin)
    place = urlsplit(task["dsn"])
    schema, _, table = task["table"].partition(".")
    sink = PostgreSQLSink(
        host=place.hostname or "",
        port=place.port or 5432,
        dbname=place.path.lstrip("/"),
        user=place.username or "",
        password=place.password or "",
        schema_name=schema,
        table_name=table,
        schema_auto_update=False,
        include_metadata=False,
        on_conflict_do_nothing=True,
    )
    app = Application(
        broker_address=task["kafka"],
        consumer_group=task["group"],
        auto_offset_reset="earliest",
        commit_every=BATCH,
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(task["topic"], value_deserializer="json"))
    seen: list[float] = []

    def columns(event: dict[str, Any]) -> dict[str, str]:
        if not seen:
            seen.append(time.perf_counter())
        return row(event, json.dumps(event, ensure_ascii=False))

    events.apply(columns).sink(sink)
    app.run(count=task["events"], timeout=PATIENCE_SECONDS, collect=False)
    print(json.dumps({"seconds": time.perf_counter() - seen[0]}))


main()
