"""The simulated shop on one core, beside encoding the same events when they are ready-made."""

import time
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from footfall.events.sources import limited
from footfall.events.sources.simulate import Shop, plan


def measure(*, events: int, rounds: int) -> dict[str, list[float]]:
    """Make so many events of the default shop by each way in turn.

    Returns:
        Seconds of CPU of each round by contender; the last is the limit: what JSON alone costs.
    """
    ready = [
        msgspec.json.decode(message.value)
        for message in limited(Shop(plan(limit=events, malformed=0)).messages(), events)
        if message.value and not message.catalog
    ]
    encode = msgspec.json.Encoder().encode
    seconds: dict[str, list[float]] = {"footfall replay simulate": [], "msgspec, ready-made": []}
    for _ in range(rounds):
        seconds["footfall replay simulate"].append(
            _cpu(lambda: limited(Shop(plan(limit=events)).messages(), events))
        )
        seconds["msgspec, ready-made"].append(_cpu(lambda: map(encode, ready)))
    return seconds


def _cpu(make: Callable[[], Iterable[object]]) -> float:
    started = time.process_time()
    deque(make(), maxlen=0)
    return time.process_time() - started
