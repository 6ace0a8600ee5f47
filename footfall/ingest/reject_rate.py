"""Stop a load that is mostly garbage before it is committed."""

from collections import Counter
from collections.abc import Sequence

from footfall.errors import FootfallError
from footfall.events.event import Reason
from footfall.warehouse.loads import Batch, Range

NO_GARBAGE = (Reason.ERASED, Reason.UNKNOWN_EVENT)
FEWEST = 1_000  # rejects of one topic in one load: a handful of bad records stops nothing


class TooManyRejects(FootfallError):
    """So many of a topic's records cannot be read that something else must be wrong."""


def check(batch: Batch, ranges: Sequence[Range], *, most: float) -> None:
    """Raise unless of each topic's records at most the share ``most`` is rejected.

    Records of erased customers and events of unknown names are no garbage, and not counted.

    Args:
        batch: what was read.
        ranges: from where.
        most: 0 to 1.

    Raises:
        TooManyRejects: names the topic, the share and the commonest reason.
    """
    if len(batch.rejects) < FEWEST:
        return
    faulty = [reject for reject in batch.rejects if reject.reason not in NO_GARBAGE]
    for topic, rejected in Counter(reject.topic for reject in faulty).most_common():
        read = sum(part.end - part.start for part in ranges if part.topic == topic)
        if rejected >= FEWEST and rejected > most * read:
            reasons = Counter(reject.reason for reject in faulty if reject.topic == topic)
            (reason, count), *_ = reasons.most_common()
            example = next(
                reject for reject in faulty if (reject.topic, reject.reason) == (topic, reason)
            )
            raise TooManyRejects(
                f"{rejected:,} of {read:,} records of {topic} cannot be read ({count:,} times "
                f"{reason}: {example.detail}, at {topic}[{example.partition}]@{example.offset}); "
                "nothing was loaded: mend what sends them, or set them all aside with: "
                "FOOTFALL_MOST_REJECTED=1 footfall ingest"
            )
