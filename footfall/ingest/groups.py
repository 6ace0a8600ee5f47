"""Share partitions out among loaders that work side by side."""

from footfall.ingest.feed import events
from footfall.ingest.reader import Partition, open_reader
from footfall.settings import settings
from footfall.warehouse import loads, offsets

WORTH_A_LOADER = 100_000  # records: fewer are loaded sooner than another process starts


def partition_groups(most: int) -> list[list[Partition]]:
    """Return groups of (topic, partition), one for each loader that the backlog is worth.

    Together they hold every partition of FOOTFALL_TOPICS once; with little to load, one group
    holds all.

    Args:
        most: at most so many groups; 1 or more.

    Raises:
        ServerUnavailable: Kafka or Postgres does not answer.
        NotFound: a topic of FOOTFALL_TOPICS does not exist.
    """
    with (
        open_reader(settings().kafka, events().topics) as reader,
        loads.session() as connection,
    ):
        first = reader.first_offsets()
        stored = offsets.offsets(connection, reader.cluster_id, reader.partitions)
        behind = reader.backlog(
            {at.place: max(at.next_offset or 0, first[at.place]) for at in stored}
        )
        return shared(reader.partitions, min(most, 1 + behind // WORTH_A_LOADER))


def shared(partitions: list[Partition], count: int) -> list[list[Partition]]:
    """Deal partitions out to at most ``count`` groups.

    >>> shared([("a", 0), ("a", 1), ("a", 2)], 2)
    [[('a', 0), ('a', 2)], [('a', 1)]]
    """
    return [partitions[first::count] for first in range(min(count, len(partitions)))]
