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
    mapping: str | None = None,
) -> Iterator[Message]:
    """Return the messages of a source with since <= occurred_at < until, at most ``limit`` events.

    Args:
        source: ``complete-journey``, ``simulate`` (the shop that ``simulate.plan`` gives by
            default), or the path of a FILE.jsonl, FILE.jsonl.gz, FILE.csv or FILE.csv.gz.
        since: inclusive; None is the source's beginning.
        until: exclusive; None is its end.
        limit: None is no limit.
        mapping: for a CSV file, the path of its mapping file, or the name of one that comes along.

    Raises:
        BadArgument: an unknown source, an absent file, a reversed window or a negative limit; a
            mapping that is missing, wrong or for no CSV file.
    """
    if since is not None and until is not None and since > until:
        raise BadArgument(
            f"the window is reversed: since {since.isoformat()} is after until {until.isoformat()}"
        )
    if limit is not None and limit < 0:
        raise BadArgument(f"limit is {limit}; give 0 or more")
    check_mapping(source, mapping)
    if mapping is not None:
        return limited(_rows(Path(source), mapping, since, until), limit)
    if source == SIMULATE:
        from footfall.events.sources import simulate

        shop = simulate.Shop(simulate.plan(since=since, until=until, limit=limit))
        return limited(shop.messages(), limit)
    return limited(_messages(source, since, until), limit)


def check_mapping(source: str, mapping: str | None) -> None:
    """See that a CSV file comes with a mapping file, and nothing else does.

    Raises:
        BadArgument: otherwise.
    """
    is_csv = source.endswith((".csv", ".csv.gz"))
    if is_csv and mapping is None:
        raise BadArgument(f"{source} needs a mapping file: --mapping MAPPING.yml (docs/events.md)")
    if mapping is not None and not is_csv:
        raise BadArgument(
            f"--mapping is for FILE.csv or FILE.csv.gz, not for {source!r}; leave it out"
        )


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
        f"unknown source {source!r}; give {COMPLETE_JOURNEY}, {SIMULATE}, FILE.jsonl, "
        "FILE.jsonl.gz, FILE.csv or FILE.csv.gz"
    )


def _rows(
    path: Path, mapping: str, since: datetime | None, until: datetime | None
) -> Iterator[Message]:
    from footfall.events.mapping_file import find_mapping
    from footfall.events.sources import csv

    return csv.messages(path, find_mapping(mapping), since=since, until=until)
