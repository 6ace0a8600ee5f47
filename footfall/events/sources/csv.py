"""A CSV file, mapped to native events by a mapping file, row by row or by groups.

What is sent is in the native shape, so that a loader needs no mapping; the row as it was read goes
along in ``context.row``, those of a group in ``context.rows``. A row that cannot be read or mapped
is sent too, as it is: the loader sets it aside with a reason, so that nothing of a file is lost in
silence. What a short row lacks is empty.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from footfall.errors import BadArgument
from footfall.events.envelope import sent_ref
from footfall.events.event import Message
from footfall.events.instants import parse_instant
from footfall.events.mapping_file import MappingFile
from footfall.events.native import Refused

_encode = msgspec.json.Encoder().encode
ENCODING, UNDECODABLE = "utf-8", "surrogateescape"
ROWS = "rows"  # what an expression calls the rows of a group


def messages(
    path: Path,
    mapping: MappingFile,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Message]:
    """Return the rows of FILE.csv[.gz] with since <= occurred_at < until, in the file's order.

    A row that tells no time belongs to every window.

    Raises:
        BadArgument: the file cannot be opened or, while reading, is no whole gzip file; or it lacks
            a column that the mapping reads.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadArgument(f"cannot read {path}: {error.strerror or error}") from None
    binary = gzip.open(file) if path.suffix == ".gz" else file
    text = io.TextIOWrapper(binary, encoding=f"{ENCODING}-sig", errors=UNDECODABLE, newline="")
    try:
        table = _Table(path, mapping, text)
    except BadArgument:
        text.close()
        file.close()
        raise
    return _within(table, file, since, until)


class _Table:
    """The rows of a file below its header."""

    def __init__(self, path: Path, mapping: MappingFile, text: TextIO) -> None:
        self.path, self.mapping, self.text = path, mapping, text
        self._taken: list[str] = []
        self._reader = csv.reader(self._lines(), delimiter=mapping.csv.delimiter, strict=True)
        columns = mapping.csv.columns or self._read()
        self.columns = columns if isinstance(columns, list) else []
        if self.columns:
            self._check_columns()

    def _lines(self) -> Iterator[str]:
        for line in self.text:
            self._taken.append(line)
            yield line

    def _read(self) -> list[str] | str | None:
        """Return the next row's fields, or its text if it is no CSV; None at the end."""
        self._taken.clear()
        try:
            return next(self._reader, None)
        except csv.Error:
            return "".join(self._taken)
        except (OSError, EOFError) as error:  # gzip's own errors are OSErrors
            raise BadArgument(f"cannot read {self.path}: {error}") from None

    def _check_columns(self) -> None:
        mapping, there = self.mapping, ", ".join(self.columns)
        grouped = mapping.csv.group_by
        needed = (mapping.fields - {ROWS}) | set(grouped) if grouped else mapping.fields
        if missing := sorted(needed - set(self.columns)):
            raise BadArgument(
                f"{mapping.path} reads the column {missing[0]!r}, which {self.path} does not have;"
                f" its columns are {there}"
            )
        if len(set(self.columns)) < len(self.columns):
            raise BadArgument(
                f"{self.path} names a column twice: {there}; name them all in {mapping.path}, under"
                " csv.columns, and leave the header out"
            )

    def messages(self) -> Iterator[Message]:
        """Yield the events of each row, or of each group of rows."""
        by = [self.columns.index(column) for column in self.mapping.csv.group_by]
        group: list[list[str]] = []
        finished: set[tuple[str, ...]] = set()
        while (row := self._read()) is not None:
            if isinstance(row, str):
                yield Message(None, row.rstrip("\r\n").encode(ENCODING, UNDECODABLE), None)
            elif len(row) > len(self.columns):
                columns = len(self.columns)
                yield _unreadable(f"{len(row)} fields; the file has {columns} columns", [row])
            elif row and not by:
                yield from self._events([row])
            elif row:
                row += [""] * (len(self.columns) - len(row))
                if group and any(group[0][place] != row[place] for place in by):
                    yield from self._finish(group, by, finished)
                    group = []
                group.append(row)
        if group:
            yield from self._finish(group, by, finished)

    def _finish(
        self, group: list[list[str]], by: list[int], finished: set[tuple[str, ...]]
    ) -> Iterator[Message]:
        """Yield a group's events. Of a group in two pieces the second would pass for a copy."""
        key = tuple(group[0][place] for place in by)
        if key in finished:
            yield _unreadable(f"{', '.join(key)} comes again after other rows; sort them", group)
            return
        finished.add(key)
        yield from self._events(group)

    def _events(self, rows: list[list[str]]) -> Iterator[Message]:
        named = [dict(zip(self.columns, row, strict=False)) for row in rows]
        said: list[Any] = [{name: text for name, text in row.items() if text} for row in named]
        read_by = self.mapping.mapping
        grouped = bool(self.mapping.csv.group_by)
        try:
            mapped = read_by.native(said[0] | {ROWS: said} if grouped else said[0])
        except Refused as refused:
            yield _unreadable(refused.detail, rows)
            return
        source = {"name": read_by.dialect.name, "version": read_by.dialect.version}
        read: dict[str, Any] = {"rows": named} if grouped else {"row": named[0]}
        for event in mapped:
            envelope = event.envelope
            context = envelope.get("context") or {}
            envelope["context"] = context | {"mapping": source} | read
            try:
                value = _encode(envelope)
            except UnicodeEncodeError:  # bytes that are no UTF-8
                yield _unreadable("not UTF-8", rows)
                return
            ref = sent_ref(envelope)
            yield Message(ref[2:].encode() if ref else None, value, _time(envelope))


def _within(
    table: _Table, file: Any, since: datetime | None, until: datetime | None
) -> Iterator[Message]:
    with file, table.text:
        for message in table.messages():
            at = message.occurred_at
            if at is None or ((since is None or at >= since) and (until is None or at < until)):
                yield message


def _unreadable(why: str, rows: Sequence[Sequence[str]]) -> Message:
    """Return a record that no dialect knows, with its rows as they were, byte for byte."""
    read: dict[str, Any] = {"row": rows[0]} if len(rows) == 1 else {"rows": rows}
    text = json.dumps({"csv_error": why} | read, ensure_ascii=False, separators=(",", ":"))
    return Message(None, text.encode(ENCODING, UNDECODABLE), None)


def _time(envelope: dict[str, Any]) -> datetime | None:
    sent = envelope.get("timestamp")
    try:
        return parse_instant(sent) if isinstance(sent, str) else None
    except ValueError:
        return None
