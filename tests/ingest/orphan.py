"""A client whose broker goes away while it works.

Run as: python orphan.py read|send. It prints "working" and goes on when a line comes in, then
prints the error that it gets. It is a process of its own because kafka-python leaves sockets open
that it could not connect.
"""

import sys
from collections.abc import Iterator

from footfall.errors import ServerUnavailable
from footfall.events import broker, producer
from footfall.events.event import Message
from footfall.ingest.reader import open_reader
from footfall.settings import settings


def let_the_broker_die() -> None:
    """Wait until whoever started this process has stopped the broker."""
    print("working", flush=True)
    sys.stdin.readline()


def read() -> None:
    """Read the topic, and then again from its beginning."""
    with open_reader(settings().kafka, settings().topic_list) as reader:
        beginning = reader.first_offsets()
        reader.seek(beginning)
        assert sum(map(len, reader.chunks(most_records=9, most_bytes=10**6))) == 5
        let_the_broker_die()
        reader.seek(beginning)
        list(reader.chunks(most_records=9, most_bytes=10**6))


def send() -> None:
    """Send a thousand records before the broker's end, and as many after it."""

    def source(*_: object, **__: object) -> Iterator[Message]:
        for number in range(2_000):
            if number == 1_000:
                let_the_broker_die()
            yield Message(b"k", b"{}", None)

    producer.open_source = source  # type: ignore[assignment]
    producer.replay("")


if __name__ == "__main__":
    broker.ANSWER_SECONDS = 3
    try:
        {"read": read, "send": send}[sys.argv[1]]()
    except ServerUnavailable as error:
        print(error)
