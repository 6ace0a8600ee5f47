"""Where events come from: a real shop year, a simulated shop, or a file."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from footfall.errors import BadArgument
from footfall.events.event import Message

COMPLETE_JOURNEY = "complete-journey"
SIMULATE = "simulate"


def open_source(
    source: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Iterator[Message]:
    """Return the messages of a source with since <= occurred_at < until, at most ``limit`` events.

    Args:
        source: ``complete-journey``, ``simulate`` (the shop that ``simulate.plan`` gives by
            default), or the path of a FILE.jsonl or FILE.jsonl.gz.
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
    if source == SIMULATE:
        from footfall.events.sources import simulate

        shop = simulate.Shop(simulate.plan(since=since, until=until, limit=limit))
        return limited(shop.messages(), limit)
    return limited(_messages(source, since, until), limit)


def limited(messages: Iterator[Message], limit: int | None) -> Iterator[Message]:
    """Yield messages up to the ``limit``-th event and no further; product facts do not count."""
    if limit is None:
        yield from messages
    left = limit or 0
    while left > 0 and (message := next(messages, None)) is not None:
        left -= not message.catalog
        yield message


def _messages(source: str, since: datetime | None, until: datetime | None) -> Iterator[Message]:
    if source == COMPLETE_JOURNEY:
        from footfall.events.sources import complete_journey

        return complete_journey.messages(since=since, until=until)
    if source.endswith((".jsonl", ".jsonl.gz")):
        from footfall.events.sources import jsonl

        return jsonl.messages(Path(source), since=since, until=until)
    raise BadArgument(
        f"unknown source {source!r}; give {COMPLETE_JOURNEY}, {SIMULATE}, FILE.jsonl or "
        "FILE.jsonl.gz"
    )
