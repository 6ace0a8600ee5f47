"""Where events come from: a real shop year, or a file."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from footfall.errors import BadArgument
from footfall.events.event import Message

COMPLETE_JOURNEY = "complete-journey"


def open_source(
    source: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Iterator[Message]:
    """Return the messages of a source with since <= occurred_at < until, at most ``limit``.

    Args:
        source: ``complete-journey``, or the path of a FILE.jsonl or FILE.jsonl.gz.
        since: inclusive; None is the source's beginning.
        until: exclusive; None is its end.
        limit: None is no limit.

    Raises:
        BadArgument: an unknown source, an absent file, a reversed window or a negative limit.
    """
    if since is not None and until is not None and since > until:
        raise BadArgument(
            f"the window is reversed: since {since.isoformat()} is after until {until.isoformat()}"
        )
    if limit is not None and limit < 0:
        raise BadArgument(f"limit is {limit}; give 0 or more")
    return islice(_messages(source, since, until), limit)


def _messages(source: str, since: datetime | None, until: datetime | None) -> Iterator[Message]:
    if source == COMPLETE_JOURNEY:
        from footfall.events.sources import complete_journey

        return complete_journey.messages(since=since, until=until)
    if source.endswith((".jsonl", ".jsonl.gz")):
        from footfall.events.sources import jsonl

        return jsonl.messages(Path(source), since=since, until=until)
    raise BadArgument(
        f"unknown source {source!r}; give {COMPLETE_JOURNEY}, FILE.jsonl or FILE.jsonl.gz"
    )
