"""Simulated shops for tests: what was sent, as a loader reads it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from footfall.events.decode import decode
from footfall.events.event import Event, Message, Reject
from footfall.events.sources import limited
from footfall.events.sources.simulate import Plan, Shop

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """One event as it was first sent: decoded, and its whole envelope."""

    event: Event
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body.get("event") or self.body["type"])

    @property
    def arrived_at(self) -> datetime:
        """When it was sent at last, if that was late."""
        late = self.body.get("sentAt")
        return datetime.fromisoformat(late) if late else self.event.occurred_at


@dataclass(frozen=True)
class Run:
    """A simulation, carried out: messages as they came, and what is to be found in them."""

    messages: list[Message]
    facts: list[Message]
    events: list[Sent]
    duplicates: list[Sent]
    rejects: list[Reject]
    customers: list[dict[str, Any]]
    bots: list[dict[str, Any]]
    summary: dict[str, Any]


def run(plan: Plan, limit: int | None = None) -> Run:
    """Simulate a shop and read its records as a loader would."""
    shop = Shop(plan)
    messages = list(limited(shop.messages(), limit))
    events: dict[str, Sent] = {}
    duplicates, rejects = [], []
    for message in messages:
        if message.catalog:
            continue
        event = decode(message.value, received_at=RECEIVED, first_day=FIRST_DAY)
        if isinstance(event, Reject):
            rejects.append(event)
            continue
        assert isinstance(event, Event)
        sent = Sent(event, msgspec.json.decode(message.value or b""))
        if event.message_id in events:
            duplicates.append(sent)
        else:
            events[event.message_id] = sent
    *people, summary = shop.truth()
    return Run(
        messages,
        [message for message in messages if message.catalog],
        list(events.values()),
        duplicates,
        rejects,
        [line for line in people if line["kind"] == "customer"],
        [line for line in people if line["kind"] == "bot"],
        summary,
    )
