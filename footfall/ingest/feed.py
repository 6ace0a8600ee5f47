"""What the records of some topics become: which batch takes them in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from footfall.events.decode import decode
from footfall.ingest.reader import Record
from footfall.settings import settings
from footfall.warehouse.events import Duplicates, EventBatch
from footfall.warehouse.loads import Batch

Taken = TypeVar("Taken", bound=Batch)


@dataclass(frozen=True)
class Feed(Generic[Taken]):
    """Some topics, and how a batch of their records is made.

    ``take`` adds records to a batch; the instant stands for the time stamp of those without one.
    """

    topics: Sequence[str]
    new_batch: Callable[[], Taken]
    take: Callable[[Taken, Sequence[Record], datetime], None]


def events() -> Feed[EventBatch]:
    """Return the feed of FOOTFALL_TOPICS."""
    return Feed(settings().topic_list, partial(EventBatch, Duplicates()), take_events)


def take_events(batch: EventBatch, records: Sequence[Record], otherwise: datetime) -> None:
    """Decode records and add them to a batch."""
    first_day, add = settings().first_day, batch.add
    for record in records:
        received_at = record.received_at or otherwise
        result = decode(record.value, received_at=received_at, first_day=first_day)
        add(record.topic, record.partition, record.offset, received_at, result, record.value)
