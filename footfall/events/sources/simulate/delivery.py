"""How events travel: in order of arrival, some late, some twice, and garbage between them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from footfall.events.event import Message
from footfall.events.sources.simulate.malformed import spoil
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.seasons import DAY_MS
from footfall.events.sources.simulate.visit import Draft, Effect

SHORTEST_DELAY_MS, LONGEST_DELAY_MS = 2 * 60_000, 21 * DAY_MS
LONGEST_ORDER_DELAY_MS = DAY_MS // 2  # an order arrives before its refund
NEAR_SHARE = 0.7
NEAR_MS = 5_000
FAR_MS = (3_600_000, 10 * DAY_MS)
DUPLICATE, MALFORMED, FACT = "duplicate", "malformed", "fact"


class Sent(msgspec.Struct, frozen=True, gc=False):
    """A message on its way. ``kind`` is an event's name, or DUPLICATE, MALFORMED, FACT."""

    message: Message
    kind: str
    customer: int
    ids: int
    is_late: bool
    effect: Effect | None


class Delivery:
    """Turns drafts into messages, and holds each one until its arrival.

    What is held is bounded: the events of visits that go on, and the late and repeated ones of the
    last three weeks.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ids = plan.numbers("message ids")
        self._late = plan.numbers("late")
        self._twice = plan.numbers("duplicates")
        self._bad = plan.numbers("malformed")
        self._spoil = plan.dice("malformed")
        self._held: list[Sent] = []
        self._arrivals: NDArray[np.int64] = np.empty(0, np.int64)

    def take(self, drafts: list[Draft], facts: list[tuple[int, Message]]) -> None:
        """Accept what was drafted since the last time."""
        count = len(drafts)
        at = np.fromiter((draft.at for draft in drafts), np.int64, count)
        arrival, late = self._delayed(drafts, at)
        stamps = np.datetime_as_string(at.astype("datetime64[ms]")).tolist()
        hexes = self._ids.bytes(16 * count).hex()
        moment = datetime.fromtimestamp
        sent = [
            Sent(
                Message(
                    draft.key,
                    f'{draft.front}{hexes[place : place + 32]}","timestamp":"{stamp}Z"'
                    f"{draft.back}".encode(),
                    moment(draft.at / 1000, UTC),
                ),
                draft.name,
                draft.customer,
                draft.ids,
                False,
                draft.effect,
            )
            for draft, stamp, place in zip(drafts, stamps, range(0, 32 * count, 32), strict=True)
        ]
        for place in np.flatnonzero(late).tolist():
            sent[place] = _sent_late(sent[place], int(arrival[place]))
        copies = self._copies(sent, arrival)
        garbage = self._garbage(sent, arrival)
        told = [Sent(fact, FACT, -1, 0, False, None) for _, fact in facts]
        self._held = [*self._held, *told, *sent, *copies[1], *garbage[1]]
        self._arrivals = np.concatenate(
            [
                self._arrivals,
                np.fromiter((when for when, _ in facts), np.int64, len(facts)),
                arrival,
                copies[0],
                garbage[0],
            ]
        )

    def arrived(self, before: int | None) -> Iterator[Sent]:
        """Yield what arrives before an instant, in order of arrival; None: everything."""
        order = np.argsort(self._arrivals, kind="stable")
        self._arrivals = self._arrivals[order]
        end = len(order) if before is None else int(np.searchsorted(self._arrivals, before))
        self._arrivals = self._arrivals[end:]
        held = self._held
        self._held = [held[place] for place in order[end:].tolist()]
        for place in order[:end].tolist():
            yield held[place]

    def _delayed(
        self, drafts: list[Draft], at: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        chance, delay = self._late.random((2, len(at)))
        late = chance < self._plan.late
        arrival = at.copy()
        shortest, longest = np.log([SHORTEST_DELAY_MS, LONGEST_DELAY_MS])
        delays = np.exp(shortest + delay[late] * (longest - shortest)).astype(np.int64)
        for number, place in enumerate(np.flatnonzero(late).tolist()):
            effect = drafts[place].effect
            if effect is not None and effect.orders:
                delays[number] = min(delays[number], LONGEST_ORDER_DELAY_MS)
        arrival[late] += delays
        return arrival, late

    def _copies(
        self, sent: list[Sent], arrival: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[Sent]]:
        """Return the repeated records: the same bytes again, soon or days later."""
        chance, near, delay = self._twice.random((3, len(sent)))
        places = np.flatnonzero(chance < self._plan.duplicates)
        shortest, longest = np.log(FAR_MS)
        far = np.exp(shortest + delay * (longest - shortest))
        delays = np.where(near < NEAR_SHARE, delay * NEAR_MS, far).astype(np.int64)
        copies = [replace(sent[place], kind=DUPLICATE) for place in places.tolist()]
        return (arrival + delays)[places], copies

    def _garbage(
        self, sent: list[Sent], arrival: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[Sent]]:
        """Return spoilt copies of events, which arrive when the events do."""
        places = np.flatnonzero(self._bad.random(len(sent)) < self._plan.malformed)
        garbage = []
        for place in places.tolist():
            message = sent[place].message
            value = spoil(message.value or b"", self._spoil)
            spoilt = Message(message.key, value, None)
            garbage.append(Sent(spoilt, MALFORMED, -1, 0, False, None))
        return arrival[places], garbage


def _sent_late(sent: Sent, arrival: int) -> Sent:
    """Let the event say when its sender, long offline, could send it at last."""
    stamp = datetime.fromtimestamp(arrival / 1000, UTC).isoformat(timespec="milliseconds")
    value = (sent.message.value or b"")[:-1] + f',"sentAt":"{stamp}"}}'.encode()
    return replace(sent, message=sent.message._replace(value=value), is_late=True)
