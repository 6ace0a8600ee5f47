"""Read bounded batches of records from Kafka, from given offsets up to the end of each partition.

The end of a partition is what a fetch reports: an offset asked for by itself may be the end of a
batch that is not readable yet. Records of transactions that were aborted are not seen, and nothing
beyond the first open transaction; offsets that hold no record (control records, what compaction
took) are passed over and are no gap.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from footfall.errors import FootfallError, NotFound
from footfall.events import broker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MILLIS = 253_402_300_799_999  # the end of the year 9999
RECORDS_AT_ONCE = (20, 1_000)  # least and most of one poll, by the size of the records before
BYTES_AT_ONCE = 1024 * 1024
QUEUE_KILOBYTES = 2 * 1024  # read ahead, whatever the number of partitions
FETCH_BYTES = 512 * 1024
WAIT_SECONDS = 0.05
NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)

logger = logging.getLogger(__name__)

Partition = tuple[str, int]


class OutOfRange(FootfallError):
    """The broker does not hold the offset where reading should go on."""

    def __init__(self, address: str, partition: Partition, offset: int) -> None:
        self.partition = partition
        self._given = (address, partition, offset)
        super().__init__(
            f"Kafka at {address} does not hold offset {offset} of {partition[0]}[{partition[1]}]: "
            "the topic was made anew or cut off; to go on from its beginning: "
            "footfall ingest --accept-gap"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Let the error travel from one process to another."""
        return OutOfRange, self._given


class Record(msgspec.Struct, frozen=True, gc=False):
    """One Kafka record. ``received_at`` is its time stamp, None where it has none."""

    topic: str
    partition: int
    offset: int
    received_at: datetime | None
    key: bytes | None
    value: bytes | None


@contextmanager
def open_reader(
    address: str, topics: Sequence[str], *, partitions: Sequence[Partition] | None = None
) -> Iterator["Reader"]:
    """Yield a reader of some topics' partitions: of all of them, or of those named.

    Raises:
        ServerUnavailable: Kafka does not answer within 30 s; also from the reader's methods.
        NotFound: a topic does not exist.
    """
    reached = broker.bulk_client(address)
    client = Consumer(
        reached
        | {
            "group.id": "footfall",  # the client wants one; nothing is committed to it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": QUEUE_KILOBYTES,
            "fetch.message.max.bytes": FETCH_BYTES,
            "fetch.queue.backoff.ms": 5,
            "fetch.wait.max.ms": 50,
        },
        logger=logger,
    )
    try:
        yield Reader(client, AdminClient(reached, logger=logger), address, topics, partitions)
    finally:
        client.close()


class Reader:
    """Reads some topics' partitions, each from the offset that ``seek`` gave it.

    ``cluster_id`` names the Kafka cluster and ``topic_ids`` each topic for as long as it lives
    ("": the broker tells none): offsets mean nothing on another cluster, nor in a topic that was
    made anew under an old name.
    """

    def __init__(
        self,
        client: Consumer,
        admin: AdminClient,
        address: str,
        topics: Sequence[str],
        partitions: Sequence[Partition] | None = None,
    ) -> None:
        self.address = address
        self._client, self._admin = client, admin
        found = [self._described(topic) for topic in sorted(set(topics))]
        self.cluster_id = found[0][0]
        every = [partition for _, held in found for partition in held]
        self.partitions = sorted(every if partitions is None else set(partitions) & set(every))
        self.topic_ids = self._describe_topics()
        self._next: dict[Partition, int] = {}
        self._ended: set[Partition] = set()

    def _described(self, topic: str) -> tuple[str, list[Partition]]:
        """Return the cluster's id, and a topic's partitions."""
        with answering(self.address):
            cluster = self._client.list_topics(topic, timeout=broker.CONNECT_SECONDS)
        found = cluster.topics[topic]
        if found.error is not None or not found.partitions:
            raise NotFound(
                f"Kafka at {self.address} has no topic {topic!r}; create it, or send events to it "
                f"with: footfall replay --topic {topic}"
            )
        return str(cluster.cluster_id), [(topic, number) for number in found.partitions]

    def _describe_topics(self) -> dict[str, str]:
        topics = sorted({topic for topic, _ in self.partitions})
        with answering(self.address):
            told = self._admin.describe_topics(
                TopicCollection(topics), request_timeout=broker.ANSWER_SECONDS
            )
            return {topic: str(future.result().topic_id or "") for topic, future in told.items()}

    def check_topics(self) -> None:
        """Raise if a topic was made anew since the reader was opened.

        The client would go on in the new topic at the offset where it stood in the old one.

        Raises:
            FootfallError: names the topic; nothing that was read since may be stored.
        """
        now = self._describe_topics()
        for topic, before in self.topic_ids.items():
            if now[topic] != before:
                raise FootfallError(
                    f"the topic {topic} was deleted and made anew while it was read; nothing of "
                    "this batch was loaded: run it again"
                )

    def first_offsets(self) -> dict[Partition, int]:
        """Return the oldest offset that each partition still holds."""
        return {partition: low for partition, (low, _) in self._watermarks().items()}

    def offsets_since(self, at: datetime) -> dict[Partition, int]:
        """Return where each partition's records with this time stamp, or a later one, begin.

        No record before is as new, though some after may be older. A broker that cannot tell says
        0: the beginning.
        """
        millis = max(0, int(at.timestamp() * 1000))
        asked = [TopicPartition(*partition, millis) for partition in self.partitions]
        with answering(self.address):
            told = self._client.offsets_for_times(asked, timeout=broker.ANSWER_SECONDS)
        found = {(place.topic, place.partition): place for place in told}
        return {
            partition: low
            if found[partition].error
            else _clamped(found[partition].offset, low, high)
            for partition, (low, high) in self._watermarks().items()
        }

    def backlog(self, offsets: dict[Partition, int]) -> int:
        """Return about how many records lie between some offsets and the end."""
        ends = {partition: high for partition, (_, high) in self._watermarks().items()}
        return sum(max(0, ends[partition] - offset) for partition, offset in offsets.items())

    def _watermarks(self) -> dict[Partition, tuple[int, int]]:
        return {partition: self._watermark(partition) for partition in self.partitions}

    def _watermark(self, partition: Partition) -> tuple[int, int]:
        """Return the oldest offset and the end; wait while a new topic has no leader yet."""
        deadline = time.monotonic() + broker.CONNECT_SECONDS
        with answering(self.address):
            while True:
                try:
                    found: tuple[int, int] = self._client.get_watermark_offsets(
                        TopicPartition(*partition), timeout=broker.CONNECT_SECONDS
                    )
                    return found
                except KafkaException as error:
                    if error.args[0].code() not in NO_LEADER or time.monotonic() > deadline:
                        raise
                    time.sleep(WAIT_SECONDS)

    def seek(self, offsets: dict[Partition, int]) -> None:
        """Go on reading from these offsets; what was fetched ahead is kept where none changes."""
        if offsets == self._next:
            return
        self._next = dict(offsets)
        self._ended.clear()
        self._client.assign(
            [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        )

    def positions(self) -> dict[Partition, int]:
        """Return the offset that comes next in each partition."""
        return dict(self._next)

    def at_end(self) -> bool:
        """Say whether the end of every partition was reached since the last ``seek``."""
        return len(self._ended) == len(self._next)

    def chunks(self, *, most_records: int, most_bytes: int) -> Iterator[list[Record]]:
        """Yield the next records, up to the limits or the end of every partition.

        The last records may go beyond ``most_bytes``, by less than what one poll returns.

        Raises:
            OutOfRange: the broker does not hold an offset where reading should go on.
        """
        left, space, at_once = most_records, most_bytes, RECORDS_AT_ONCE[0]
        deadline = time.monotonic() + broker.ANSWER_SECONDS
        while left > 0 and space > 0 and not self.at_end():
            chunk = self._poll(min(left, at_once))
            if chunk:
                deadline = time.monotonic() + broker.ANSWER_SECONDS
                size = sum(len(record.value or b"") for record in chunk)
                at_once = _within(RECORDS_AT_ONCE, BYTES_AT_ONCE * len(chunk) // (size + 1))
                left, space = left - len(chunk), space - size
                yield chunk
                continue
            self._check_ends()
            if time.monotonic() > deadline:
                raise broker.unavailable(
                    self.address,
                    f"no records and no end of {self._where()} for {broker.ANSWER_SECONDS} s",
                )

    def _poll(self, most: int) -> list[Record]:
        with answering(self.address):
            polled: list[Any] = self._client.consume(most, WAIT_SECONDS)
        records = []
        for message in polled:
            if message.error() is not None:
                self._note(message)
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            self._next[topic, partition] = offset + 1
            received_at = _instant(*message.timestamp())
            records.append(
                Record(topic, partition, offset, received_at, message.key(), message.value())
            )
        return records

    def _note(self, message: Any) -> None:
        """Note a partition's end; raise what else the client reports in place of a record."""
        error = message.error()
        place = (message.topic(), message.partition())
        if error.code() == KafkaError._PARTITION_EOF:
            self._reached(place, message.offset())
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise OutOfRange(self.address, place, self._next[place])
        else:
            raise KafkaException(error)

    def _reached(self, place: Partition, end: int) -> None:
        self._next[place] = max(self._next[place], end)
        self._ended.add(place)

    def _check_ends(self) -> None:
        """Raise OutOfRange for a position beyond a partition's end: not every broker says so."""
        for place in self._next.keys() - self._ended:
            _, high = self._client.get_watermark_offsets(TopicPartition(*place), cached=True)
            if 0 <= high < self._next[place]:
                raise OutOfRange(self.address, place, self._next[place])

    def _where(self) -> str:
        return ", ".join(f"{topic}[{partition}]" for topic, partition in self.partitions)


def _clamped(offset: int, low: int, high: int) -> int:
    """Return an offset that a partition holds; a negative one means its end."""
    return high if offset < 0 else max(low, offset)


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn the bulk client's errors into one that names the address.

    Raises:
        ServerUnavailable: the broker does not answer, or refuses.
    """
    try:
        yield
    except KafkaException as error:
        raise broker.unavailable(address, _said(error)) from error


def _said(error: KafkaException) -> str:
    reason = error.args[0]
    return reason.str() if isinstance(reason, KafkaError) else str(reason)


def _within(bounds: tuple[int, int], wanted: int) -> int:
    least, most = bounds
    return min(max(wanted, least), most)


@lru_cache(maxsize=1024)
def _instant(kind: int, millis: int) -> datetime | None:
    told = kind != TIMESTAMP_NOT_AVAILABLE and 0 <= millis <= LATEST_MILLIS
    return EPOCH + timedelta(milliseconds=millis) if told else None
