"""Find out where loading can go on, and what may be missing in between. No policy decides silently.

Pure but for the warning: what is stored and what Kafka holds in, starts and gaps out.
"""

import logging
from collections.abc import Collection, Mapping, Sequence

from footfall.errors import FootfallError
from footfall.warehouse.offsets import Gap, GapKind, Offset

logger = logging.getLogger(__name__)

Partition = tuple[str, int]

REASONS = {
    GapKind.RETENTION: "were deleted from Kafka before they were loaded",
    GapKind.RECREATED: "may be gone: the topic was deleted and made anew",
    GapKind.BEYOND_END: "may be gone: the partition ends before them, it was cut off or made anew",
    GapKind.NEW_CLUSTER: "of another cluster may be gone: this one has offsets of its own",
}


class GapFound(FootfallError):
    """Records may be missing, and nobody has accepted that."""


def find(
    stored: Sequence[Offset], first: Mapping[Partition, int], topic_ids: Mapping[str, str]
) -> tuple[dict[Partition, int], list[Gap]]:
    """Return where to start in each partition, and the gaps that lie before it.

    Args:
        stored: what the ledger says of each partition.
        first: the oldest offset that Kafka still holds.
        topic_ids: the id that each topic has now; "": the broker tells none.
    """
    starts, gaps = {}, []
    for at in stored:
        oldest = first[at.place]
        kind = _kind(at, oldest, topic_ids.get(at.topic, ""))
        starts[at.place] = oldest if kind is not None else max(at.next_offset or 0, oldest)
        if kind is not None:
            before = at.elsewhere if at.next_offset is None else at.next_offset
            gaps.append(Gap(at.topic, at.partition, kind, before or 0, oldest))
    return starts, gaps


def _kind(at: Offset, oldest: int, topic_id: str) -> GapKind | None:
    if at.next_offset is None:
        return None if at.elsewhere is None else GapKind.NEW_CLUSTER
    if topic_id and at.topic_id and topic_id != at.topic_id:
        return GapKind.RECREATED
    return GapKind.RETENTION if at.next_offset < oldest else None


def refused(gaps: Sequence[Gap], accepted: Collection[str]) -> list[Gap]:
    """Return the gaps that nobody accepted; warn of the others."""
    for gap in gaps:
        if gap.kind in accepted:
            logger.warning("%s; loading goes on at %s", described(gap), gap.to_offset)
    return [gap for gap in gaps if gap.kind not in accepted]


def refuse(gaps: Sequence[Gap]) -> None:
    """Raise GapFound if there is one."""
    if gaps:
        others = f" ({len(gaps) - 1} more in raw.gaps)" if len(gaps) > 1 else ""
        raise GapFound(
            f"{described(gaps[0])}{others}; to go on without them: footfall ingest --accept-gap"
        )


def described(gap: Gap) -> str:
    """Return a gap in words, with its range."""
    last = "on" if gap.to_offset <= gap.from_offset else f"to {gap.to_offset - 1}"
    count = f"{gap.to_offset - gap.from_offset} " if gap.kind is GapKind.RETENTION else ""
    return (
        f"{count}records of {gap.topic}[{gap.partition}] (offsets {gap.from_offset} {last}) "
        f"{REASONS[gap.kind]}"
    )
