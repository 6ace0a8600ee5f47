"""Send a source's events to Kafka.

A record's time stamp is when it was sent (Kafka's CreateTime): that is what ``received_at`` means.
The event's own time is in its value.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from footfall.errors import BadArgument
from footfall.events import broker
from footfall.events.event import Message
from footfall.events.sources import open_source
from footfall.settings import settings

PROGRESS_RECORDS = 5_000


@dataclass(frozen=True)
class Replay:
    """What was sent: every record counted is on every replica in sync."""

    records: int
    topic: str
    seconds: float


def replay(
    source: str,
    *,
    topic: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rate: float | None = None,
    limit: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Replay:
    """Send the events of a source to a topic, in the source's order; create the topic if need be.

    Args:
        source: as ``open_source`` takes it.
        topic: default: the first of FOOTFALL_TOPICS.
        since: send events from here, inclusive.
        until: send events up to here, exclusive.
        rate: at most so many records a second; None is as fast as Kafka takes them.
        limit: at most so many records.
        on_progress: called with the number of records handed over so far.

    Raises:
        BadArgument: as ``open_source`` does, or a rate that is not positive.
        ServerUnavailable: Kafka does not answer, or did not take every record.
    """
    if rate is not None and not rate > 0:
        raise BadArgument(f"rate is {rate}; give records per second above 0")
    messages = open_source(source, since=since, until=until, limit=limit)
    target = topic or settings().topic_list[0]
    address = settings().kafka
    started = time.monotonic()
    broker.ensure_topic(address, target)
    records = _send(_paced(messages, rate), address, target, on_progress or (lambda records: None))
    return Replay(records, target, round(time.monotonic() - started, 3))


def _send(
    messages: Iterator[Message], address: str, topic: str, on_progress: Callable[[int], None]
) -> int:
    failures: list[BaseException] = []
    sent = 0
    with broker.answering(address):
        client = broker.producer(address)
        try:
            for message in messages:
                delivery = client.send(topic, key=message.key, value=message.value)
                delivery.add_errback(failures.append)
                sent += 1
                if failures:
                    break
                if sent % PROGRESS_RECORDS == 0:
                    on_progress(sent)
            client.flush(timeout=broker.ANSWER_SECONDS)
        finally:
            client.close(timeout=1)
    if failures:
        raise broker.unavailable(
            address, f"{len(failures)} of {sent} records were not taken: {failures[0]}"
        )
    on_progress(sent)
    return sent


def _paced(messages: Iterator[Message], rate: float | None) -> Iterator[Message]:
    """Hold each message back until its turn at the given rate."""
    if rate is None:
        yield from messages
        return
    started = time.monotonic()
    for number, message in enumerate(messages):
        wait = started + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield message
