"""Records on their way into Redis: in bulk over one connection, each read back by its SHA-1.

What many records share stands in a template, with its TTL. A record begins as a copy of its
template, so that it never stands without a TTL, and then gets what is its own. The server answers
nothing to that (CLIENT REPLY OFF); after each batch it tells the SHA-1 of every record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from hiredis import pack_command

from footfall.errors import FootfallError
from footfall.storefront.record import FIELDS, record_key

BATCH = 1000
"""Records per round trip."""
DIGESTS_PER_CALL = 50
"""A shop's read waits for one call at most: about half a millisecond."""
MOST_TEMPLATES = 1000
"""More are not kept at a time: a set whose every score has an instant of its own shares nothing."""

T = TypeVar("T")
Words = tuple[str | int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Shared:
    """The fields that many records share, and when those records expire."""

    fields: Mapping[str, str]
    expires_at: datetime


class Record(NamedTuple):
    """One customer's record: what it shares with others, what is its own, and its SHA-1."""

    customer_id: str
    shared: Shared
    own: Mapping[str, str]
    sha1: bytes


class BulkWriter:
    """Writes the records of one version over one connection of redis-py, which it has alone."""

    def __init__(self, connection: Any, version: int | str) -> None:
        self._connection = connection
        self._version = version
        self._prefix = record_key(str(version), "")
        self._templates: dict[Shared, str] = {}
        self._read = 0

    def write(self, records: Iterable[Record]) -> int:
        """Write records and return how many; one batch is encoded while the server has the last.

        Raises:
            redis.ResponseError: the server refused a record.
            FootfallError: it did not, but records are not there as written. They are deleted.
        """
        before: Sequence[Record] = ()
        for batch in chain(batches(records, BATCH), [()]):
            if batch:
                self._send(batch)
            damaged = self._read_back(before)
            if damaged:
                self._give_up(damaged + self._read_back(batch))
            before = batch
        self._forget_templates()
        return self._read

    def _send(self, batch: Sequence[Record]) -> None:
        if len(self._templates) > MOST_TEMPLATES:
            self._forget_templates()
        commands: list[bytes] = [_REPLY_OFF]
        for record in batch:
            template = self._templates.get(record.shared)
            if template is None:
                template = f"ff:{self._version}:t:{len(self._templates)}"
                self._templates[record.shared] = template
                commands += _template(template, record.shared)
            commands += _record(self._prefix + record.customer_id, template, record.own)
        commands.append(_REPLY_ON)
        names = [record.customer_id for record in batch]
        commands += (_pack(*command) for command in digest_commands(self._prefix, names))
        self._connection.send_packed_command([b"".join(commands)])

    def _read_back(self, batch: Sequence[Record]) -> list[Record]:
        """Return those of a batch that are not there as written."""
        if not batch:
            return []
        self._connection.read_response()  # to CLIENT REPLY ON
        calls = -(-len(batch) // DIGESTS_PER_CALL)
        found = chain.from_iterable([self._connection.read_response() for _ in range(calls)])
        self._read += len(batch)
        pairs = zip(batch, found, strict=True)
        return [record for record, sha1 in pairs if sha1 != record.sha1.hex()]

    def _give_up(self, damaged: Sequence[Record]) -> None:
        """Write one record again, to hear what the server says to it; delete what is damaged."""
        first = damaged[0]
        keys = [self._prefix + record.customer_id for record in damaged]
        template = f"ff:{self._version}:t:again"
        try:
            for command in (
                *_template(template, first.shared),
                *_record(keys[0], template, first.own),
            ):
                self._ask(command)
        finally:
            self._ask(_pack("UNLINK", template, *keys))
        raise FootfallError(
            f"publication {self._version}: {len(damaged)} of {self._read} records did not read "
            f"back as written (first: {first.customer_id}); the live version is untouched, "
            "publish again"
        )

    def _forget_templates(self) -> None:
        if self._templates:
            self._ask(_pack("UNLINK", *self._templates.values()))
            self._templates.clear()

    def _ask(self, command: bytes) -> None:
        self._connection.send_packed_command([command])
        self._connection.read_response()


def digest_commands(prefix: str, customer_ids: Sequence[str]) -> Iterator[Words]:
    """Yield the calls that answer records' SHA-1 in hexadecimal digits, '' where there is none."""
    for part in batches(customer_ids, DIGESTS_PER_CALL):
        yield ("FCALL_RO", "ff_digest", 1, prefix, len(FIELDS), *FIELDS, *part)


def batches(things: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Yield lists of so many things, and the rest."""
    batch: list[T] = []
    for thing in things:
        batch.append(thing)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _template(key: str, shared: Shared) -> tuple[bytes, ...]:
    until = int(shared.expires_at.timestamp())
    return (
        _pack("MULTI"),
        _pack("HSET", key, *chain.from_iterable(shared.fields.items())),
        _pack("EXPIREAT", key, until),
        _pack("EXEC"),
    )


def _record(key: str, template: str, own: Mapping[str, str]) -> tuple[bytes, bytes]:
    return (
        _pack("COPY", template, key, "REPLACE"),
        _pack("HSET", key, *chain.from_iterable(own.items())),
    )


def _pack(*words: str | int) -> bytes:
    packed: bytes = pack_command(words)  # type: ignore[arg-type]  # its stub means one word
    return packed


_REPLY_OFF = _pack("CLIENT", "REPLY", "OFF")
_REPLY_ON = _pack("CLIENT", "REPLY", "ON")
