"""Read and check a mapping file: YAML, every expression compiled once.

What a file may say is ``_File``. docs/events.md explains it by example; ``templates`` has the
operations that begin with ``$``.
"""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from footfall.errors import BadArgument
from footfall.events.dialects import FOLDER, Dialect, folded
from footfall.events.envelope import PURPOSES
from footfall.events.expressions import Read, fields_at_root
from footfall.events.mapping import TYPES, Consent, EventMapping, IdRule, Parts
from footfall.events.native import NATIVE_CALLS, SEGMENT
from footfall.events.templates import (
    BadTemplate,
    Scope,
    compile_lets,
    compile_template,
    expressions_of,
)

ENVELOPE_FIELDS = {
    *("userId", "anonymousId", "previousId", "timestamp", "context", "properties", "traits")
}


class _Name(msgspec.Struct, forbid_unknown_fields=True):
    """A name that means this event only under a condition."""

    name: str
    when: str


class _Parts(msgspec.Struct, forbid_unknown_fields=True):
    """Where a record that carries several events has them."""

    of: str
    at_most: int


class _Id(msgspec.Struct, forbid_unknown_fields=True):
    """A template of a message id; the first that gives one counts."""

    id: Any
    only: str | None = None


class _Consent(msgspec.Struct, forbid_unknown_fields=True):
    """For each purpose an expression, and the words that grant and refuse."""

    purposes: dict[str, str]
    granted: list[str | bool]
    denied: list[str | bool]


class CsvFormat(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a CSV file is written: its delimiter, and its columns where it has no header.

    Rows that follow each other and are equal in ``group_by`` are one record.
    """

    delimiter: str = ","
    columns: list[str] | None = None
    group_by: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    dialect: str
    version: int
    name: str
    events: dict[str, list[str | _Name]]
    message_id: list[_Id]
    envelope: dict[str, Any]
    recognised_by: list[dict[str, str]] = []
    parts: _Parts | None = None
    let: dict[str, Any] = {}
    empty: list[str] = []
    consent: _Consent | None = None
    csv: CsvFormat | None = None


class MappingFile(msgspec.Struct, frozen=True):
    """A mapping, how its CSV files are written, and the fields that it reads of a record."""

    path: Path
    mapping: EventMapping
    csv: CsvFormat
    fields: frozenset[str]


@cache
def shipped_mappings() -> tuple[EventMapping, ...]:
    """Return the mappings of the dialects that are recognised by their shape."""
    return read_mappings(FOLDER)


def read_mappings(folder: Path) -> tuple[EventMapping, ...]:
    """Return the mappings of a folder, those that ask for more fields first.

    Raises:
        BadArgument: as ``read_mapping`` does, or a mapping recognises nothing.
    """
    mappings = []
    for path in sorted(folder.glob("*.yml")):
        if path == FOLDER / "segment.yml":  # the native shape needs no mapping
            continue
        mapping = read_mapping(path).mapping
        if not mapping.recognised_by:
            raise BadArgument(f"{path}: recognised_by is missing; list the fields that tell it")
        mappings.append(mapping)
    return tuple(
        sorted(mappings, key=lambda one: (-max(map(len, one.recognised_by)), one.dialect.name))
    )


def find_mapping(name: str) -> MappingFile:
    """Read the mapping file at a path, or the one of that name that comes with Footfall.

    Raises:
        BadArgument: as ``read_mapping`` does.
    """
    ours = FOLDER / "csv" / f"{name}.yml"
    return read_mapping(ours if "/" not in name and ours.is_file() else Path(name))


def read_mapping(path: Path) -> MappingFile:
    """Read one mapping file.

    Raises:
        BadArgument: the file, the key at fault and what to give instead.
    """
    try:
        file = msgspec.convert(yaml.load(path.read_bytes(), _Loader), _File)
        return MappingFile(path, _compiled(file), file.csv or CsvFormat(), _fields(file))
    except OSError as error:
        raise BadArgument(f"cannot read {path}: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise BadArgument(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    except (msgspec.ValidationError, BadTemplate) as error:
        raise BadArgument(f"{path}: {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML as of version 1.2: Yes and No are texts, not booleans; so are dates."""

    yaml_implicit_resolvers = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag != "tag:yaml.org,2002:timestamp"
            and (tag != "tag:yaml.org,2002:bool" or first in "tTfF")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _compiled(file: _File) -> EventMapping:
    if unknown := set(file.envelope) - ENVELOPE_FIELDS:
        raise BadTemplate(
            f"envelope.{min(unknown)} is no field; give one of {', '.join(sorted(ENVELOPE_FIELDS))}"
        )
    return EventMapping(
        dialect=Dialect(name=file.dialect, version=file.version, calls={}, events={}),
        recognised_by=tuple(_recognised(file.recognised_by)),
        parts=_parts(file.parts),
        lets=compile_lets(file.let, Scope("let")),
        name=compile_template(file.name, Scope("name")),
        events=_events(file),
        message_ids=tuple(
            IdRule(compile_template(rule.id, Scope(f"message_id[{place}].id")), _known(rule.only))
            for place, rule in enumerate(file.message_id)
        ),
        envelope=compile_template(file.envelope, Scope("envelope", frozenset(file.empty))),
        consent=_consent(file.consent),
    )


def _recognised(alternatives: list[dict[str, str]]) -> list[dict[str, str]]:
    for fields in alternatives:
        for name, kind in fields.items():
            if kind not in TYPES:
                raise BadTemplate(
                    f"recognised_by.{name}: {kind!r} is no type; give one of {', '.join(TYPES)}"
                )
        if not fields:
            raise BadTemplate("recognised_by: an alternative without a field recognises all")
    return alternatives


def _parts(parts: _Parts | None) -> Parts | None:
    if parts is None:
        return None
    if parts.at_most < 1:
        raise BadTemplate(f"parts.at_most is {parts.at_most}; give 1 or more")
    return Parts(compile_template(parts.of, Scope("parts.of")), parts.at_most)


def _events(file: _File) -> dict[str, tuple[tuple[str, Read | None], ...]]:
    events: dict[str, list[tuple[str, Read | None]]] = {}
    for canonical, names in file.events.items():
        _known(canonical)
        for entry in names:
            where = f"events.{canonical}"
            name, when = (entry, None) if isinstance(entry, str) else (entry.name, entry.when)
            condition = None if when is None else compile_template(when, Scope(where))
            events.setdefault(folded(name), []).append((canonical, condition))
    return {name: tuple(meanings) for name, meanings in events.items()}


def _known(canonical: str | None) -> str | None:
    if canonical is not None and canonical not in NATIVE_CALLS:
        raise BadTemplate(
            f"{canonical!r} is no canonical event; give one of {', '.join(sorted(NATIVE_CALLS))}"
            f" or add it to {SEGMENT.name}.yml"
        )
    return canonical


def _consent(consent: _Consent | None) -> Consent | None:
    if consent is None:
        return None
    if set(consent.purposes) != set(PURPOSES):
        raise BadTemplate(
            f"consent.purposes has {', '.join(sorted(consent.purposes)) or 'none'};"
            f" give {' and '.join(PURPOSES)}"
        )
    purposes = {
        purpose: compile_template(expression, Scope(f"consent.purposes.{purpose}"))
        for purpose, expression in consent.purposes.items()
    }
    return Consent(purposes, _words(consent.granted), _words(consent.denied))


def _words(words: list[str | bool]) -> frozenset[Any]:
    return frozenset(word.casefold() if isinstance(word, str) else word for word in words)


def _fields(file: _File) -> frozenset[str]:
    consent = list(file.consent.purposes.values()) if file.consent else []
    conditions = [
        entry.when for names in file.events.values() for entry in names if isinstance(entry, _Name)
    ]
    templates = [
        *(file.name, file.envelope, *consent, *conditions),
        *(rule.id for rule in file.message_id),
        *file.let.values(),
    ]
    used = {
        name for part in templates for text in expressions_of(part) for name in fields_at_root(text)
    }
    return frozenset(used - set(file.let))
