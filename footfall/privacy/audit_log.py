"""Append to the audit log, and tell whether somebody has changed it since."""

from collections.abc import Iterable
from dataclasses import dataclass

from footfall.warehouse import audit
from footfall.warehouse.audit import FIRST, Entry, Head, append, entry_sha256
from footfall.warehouse.connection import transaction

__all__ = ["Verification", "append", "check_chain", "verify"]


@dataclass(frozen=True)
class Verification:
    """What the chain says.

    Attributes:
        entries: how many there are.
        intact: whether every entry is as it was written, and none is missing.
        first_broken: the first entry that is not, by its number; where the end was cut off, the
            number that the next one would have had.
        head_sha256: the last entry's hash: noted elsewhere, it proves that the log was not
            rewritten as a whole.
    """

    entries: int
    intact: bool
    first_broken: int | None
    head_sha256: str


def verify() -> Verification:
    """Check the whole log."""
    with transaction() as connection:
        connection.execute("set transaction isolation level repeatable read")
        return check_chain(audit.entries(connection), audit.head(connection))


def check_chain(entries: Iterable[Entry], head: Head) -> Verification:
    """Follow the chain from its first entry to its noted end.

    Args:
        entries: as kept, the oldest first.
        head: how many there should be, and the last one's hash.
    """
    count, last_id, previous = 0, 0, FIRST
    first_broken = None
    for entry in entries:
        count += 1
        last_id = entry.entry_id
        is_whole = entry.previous_sha256 == previous and entry.sha256 == entry_sha256(
            at=entry.at,
            actor=entry.actor,
            act=entry.act,
            subject=entry.subject,
            detail=entry.detail,
            previous=entry.previous_sha256,
        )
        if not is_whole and first_broken is None:
            first_broken = entry.entry_id
        previous = entry.sha256
    if first_broken is None and (count, previous) != (head.entries, head.sha256):
        first_broken = last_id + 1
    return Verification(count, first_broken is None, first_broken, previous)
