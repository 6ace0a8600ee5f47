"""Read bounded batches of records from Kafka, from given offsets up to the high watermark.

The end of a partition is the high watermark that a fetch reports: an offset asked for by itself may
be the end of a batch that is not readable yet.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import OffsetOutOfRangeError

from footfall.errors import FootfallError
from footfall.events import broker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MILLIS = 253_402_300_799_999  # the end of the year 9999
RECORDS_AT_ONCE = 2_000
FETCH_BYTES = 8 * 1024 * 1024


Partition = tuple[str, int]


class OutOfRange(FootfallError):
    """The broker does not hold the offset where reading should go on."""

    def __init__(self, address: str, partition: Partition, offset: int) -> None:
        self.partition = partition
        super().__init__(
            f"Kafka at {address} does not hold offset {offset} of {partition[0]}[{partition[1]}]: "
            "the topic was made anew or cut off; to go on from its beginning: "
            "footfall ingest --accept-gap"
        )


class Record(msgspec.Struct, frozen=True):
    """One Kafka record. ``received_at`` is its time stamp, None where it has none."""

    topic: str
    partition: int
    offset: int
    received_at: datetime | None
    value: bytes | None


@contextmanager
def open_reader(address: str, topics: list[str]) -> Iterator["Reader"]:
    """Yield a reader of some topics' partitions.

    Raises:
        ServerUnavailable: Kafka does not answer within 30 s; also from the reader's methods.
        NotFound: a topic does not exist.
    """
    cluster_id = broker.cluster_id(address)
    with broker.answering(address):
        client = broker.consumer(address, fetch_bytes=FETCH_BYTES)
    try:
        yield Reader(client, address, cluster_id, topics)
    finally:
        client.close(autocommit=False, timeout_ms=1000)


class Reader:
    """Reads some topics' partitions, each from the offset that ``seek`` gave it."""

    def __init__(
        self, client: KafkaConsumer, address: str, cluster_id: str, topics: list[str]
    ) -> None:
        self.address = address
        self.cluster_id = cluster_id
        self.partitions = [
            (topic, partition)
            for topic in sorted(set(topics))
            for partition in broker.partitions(client, address, topic)
        ]
        self._client = client
        self._assigned = [TopicPartition(*partition) for partition in self.partitions]
        self._client.assign(self._assigned)
        self._next: dict[Partition, int] = {}

    def first_offsets(self) -> dict[Partition, int]:
        """Return the oldest offset that each partition still holds."""
        with broker.answering(self.address):
            found = self._client.beginning_offsets(self._assigned)
        return {tuple(partition): offset for partition, offset in found.items()}

    def seek(self, offsets: dict[Partition, int]) -> None:
        """Go on reading from these offsets; what was fetched ahead is kept where none changes."""
        for partition, offset in offsets.items():
            if self._next.get(partition) != offset:
                self._client.seek(TopicPartition(*partition), offset)
                self._next[partition] = offset

    def positions(self) -> dict[Partition, int]:
        """Return the offset that comes next in each partition."""
        return dict(self._next)

    def at_end(self) -> bool:
        """Say whether every partition was read up to the high watermark of its latest fetch.

        Raises:
            OutOfRange: reading stands beyond the end of a partition.
        """
        ended = True
        for partition, position in self._next.items():
            end = self._client.highwater(TopicPartition(*partition))
            if end is not None and position > end:
                raise OutOfRange(self.address, partition, position)
            ended = ended and position == end
        return ended

    def read(self, *, most_records: int, most_bytes: int) -> list[Record]:
        """Return the next records, up to the limits or the end of every partition.

        The last record may go beyond ``most_bytes``, by less than what one poll returns.
        """
        records: list[Record] = []
        size = 0
        for batch in self._polls(most_records):
            records += batch
            size += sum(len(record.value or b"") for record in batch)
            if len(records) >= most_records or size >= most_bytes:
                break
        return records

    def _polls(self, most_records: int) -> Iterator[list[Record]]:
        left = most_records
        deadline = time.monotonic() + broker.ANSWER_SECONDS
        while not self.at_end():
            batch = self._poll(min(left, RECORDS_AT_ONCE))
            if batch:
                deadline = time.monotonic() + broker.ANSWER_SECONDS
                left -= len(batch)
                yield batch
            elif time.monotonic() > deadline:
                raise broker.unavailable(
                    self.address, f"no records and no end of {self._where()} for 15 s"
                )

    def _poll(self, most: int) -> list[Record]:
        with broker.answering(self.address):
            try:
                polled = self._client.poll(timeout_ms=500, max_records=most)
            except OffsetOutOfRangeError as error:
                partition, offset = next(iter(error.args[0].items()))
                raise OutOfRange(self.address, tuple(partition), offset) from None
        for partition in polled:
            self._next[tuple(partition)] = self._client.position(partition)
        return [_record(raw) for batch in polled.values() for raw in batch]

    def _where(self) -> str:
        return ", ".join(f"{topic}[{partition}]" for topic, partition in self.partitions)


def _record(raw: Any) -> Record:
    stamp = raw.timestamp
    told = stamp is not None and 0 <= stamp <= LATEST_MILLIS
    received_at = EPOCH + timedelta(milliseconds=stamp) if told else None
    return Record(raw.topic, raw.partition, raw.offset, received_at, raw.value)
