"""Map a record of another dialect to events in the native shape, as its mapping file says.

A mapping is data: see ``mapping_file`` for what a file may say. What comes out has yet to pass the
same validation as a native event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from footfall.events.dialects import Dialect, folded
from footfall.events.envelope import MAX_NAME
from footfall.events.event import Reason
from footfall.events.expressions import FAILURES, Read
from footfall.events.native import NATIVE_CALLS, Refused
from footfall.events.templates import with_lets

Fields = Mapping[str, str]  # the name of a field → the type of its value

TYPES: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}


@dataclass(frozen=True)
class Parts:
    """The array of a record that holds its events."""

    of: Read
    at_most: int


@dataclass(frozen=True)
class IdRule:
    """A way to find a message id; ``only`` for one canonical event."""

    read: Read
    only: str | None


@dataclass(frozen=True)
class Consent:
    """What is granted and refused, purpose by purpose, and the words for both."""

    purposes: Mapping[str, Read]
    granted: frozenset[Any]
    denied: frozenset[Any]


@dataclass(frozen=True)
class Mapped:
    """One event in the native shape; without a canonical name it is one that no mapping knows."""

    sent_name: str
    canonical: str | None
    envelope: dict[str, Any]


@dataclass(frozen=True)
class EventMapping:
    """One mapping file, compiled."""

    dialect: Dialect
    recognised_by: tuple[Fields, ...]
    parts: Parts | None
    lets: Mapping[str, Read]
    name: Read
    events: Mapping[str, tuple[tuple[str, Read | None], ...]]
    message_ids: tuple[IdRule, ...]
    envelope: Read
    consent: Consent | None

    def recognises(self, record: dict[str, Any]) -> bool:
        """Return whether a record has the fields that tell this dialect."""
        return any(
            all(name in record and TYPES[kind](record[name]) for name, kind in fields.items())
            for fields in self.recognised_by
        )

    def native(self, record: dict[str, Any]) -> list[Mapped]:
        """Return the events of a record, in its order.

        Raises:
            Refused: an expression fails on it, or it holds no event, or too many.
        """
        try:
            return [self._event(part) for part in self._parts(record)]
        except FAILURES as error:
            detail = f"{self.dialect.name}: {str(error).splitlines()[0]}"[:MAX_NAME]
            raise Refused(Reason.BAD_FIELD, detail) from None

    def _parts(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        if self.parts is None:
            return [record]
        parts, most = self.parts.of(record), self.parts.at_most
        if not isinstance(parts, list) or not parts:
            raise Refused(Reason.BAD_FIELD, f"{self.dialect.name}: the record holds no event")
        if len(parts) > most:
            raise Refused(Reason.TOO_LARGE, f"{len(parts)} events in one record; at most {most}")
        return [
            {"body": record, "event": part, "number": number} for number, part in enumerate(parts)
        ]

    def _event(self, part: dict[str, Any]) -> Mapped:
        value = with_lets(self.lets, part)
        sent = self.name(value)
        name = sent.strip() if isinstance(sent, str) else "" if sent is None else str(sent)
        canonical = self._canonical(name, value)
        envelope: dict[str, Any] = dict(
            NATIVE_CALLS[canonical] if canonical else {"type": "track", "event": name}
        )
        envelope.update(self.envelope(value) or {})
        message_id = self._message_id(canonical, value)
        if message_id is not None:
            envelope["messageId"] = message_id
        if self.consent is not None:
            _say_consent(self.consent, envelope, value)
        return Mapped(name, canonical, envelope)

    def _canonical(self, name: str, value: Any) -> str | None:
        for canonical, condition in self.events.get(folded(name), ()):
            if condition is None or condition(value) not in (None, False, "", [], {}):
                return canonical
        return None

    def _message_id(self, canonical: str | None, value: Any) -> Any:
        for rule in self.message_ids:
            if rule.only in (None, canonical) and (found := rule.read(value)) not in (None, ""):
                return found
        return None


def _say_consent(consent: Consent, envelope: dict[str, Any], value: Any) -> None:
    preferences = {
        purpose: answer
        for purpose, read in consent.purposes.items()
        if (answer := _answer(read(value), consent)) is not None
    }
    if preferences:
        context = envelope.get("context") or {}
        envelope["context"] = context | {"consent": {"categoryPreferences": preferences}}


def _answer(sent: Any, consent: Consent) -> bool | None:
    if not isinstance(sent, str | bool):
        return None
    word = sent.casefold() if isinstance(sent, str) else sent
    if word in consent.denied:
        return False
    return True if word in consent.granted else None
