"""A file with one event per line, sent as it is.

Lines that cannot be read are sent too: the loader sets them aside with a reason, so that nothing of
a file is lost in silence. A line that tells no time belongs to every window, for the same reason.
"""

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from footfall.errors import BadArgument
from footfall.events.decode import sender_and_time
from footfall.events.event import Message


def messages(
    path: Path, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Message]:
    """Return the lines of FILE.jsonl[.gz] with since <= occurred_at < until, in the file's order.

    Raises:
        BadArgument: the file cannot be opened or, while reading, is no whole gzip file.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadArgument(f"cannot read {path}: {error.strerror or error}") from None
    return _lines(file, path, since, until)


def _lines(
    file: BinaryIO, path: Path, since: datetime | None, until: datetime | None
) -> Iterator[Message]:
    with file, gzip.open(file) if path.suffix == ".gz" else file as lines:
        try:
            for line in lines:
                value = line.rstrip(b"\r\n")
                if not value:
                    continue
                key, at = sender_and_time(value)
                if at is None or ((since is None or at >= since) and (until is None or at < until)):
                    yield Message(key, value, at)
        except (OSError, EOFError) as error:  # gzip's own errors are OSErrors
            raise BadArgument(f"cannot read {path}: {error}") from None
