"""One visit: who comes on which device, and the events that their browser or app sends."""

from collections.abc import Callable
from math import log
from typing import NamedTuple

import msgspec

from footfall.events.sources.simulate.customers import (
    ALLOWS,
    ANALYTICS_ONLY,
    REFUSES,
    SILENT,
)

LONGEST_PAUSE_MS = 25 * 60_000  # shorter than the silence that ends a session
SHOP = "https://shop.example"

CONSENT = {
    SILENT: "",
    ALLOWS: ',"consent":{"categoryPreferences":{"Analytics":true,"Personalization":true}}',
    REFUSES: ',"consent":{"categoryPreferences":{"Analytics":false,"Personalization":false}}',
    ANALYTICS_ONLY: ',"consent":{"categoryPreferences":{"Analytics":true,"Personalization":false}}',
}


class Effect(NamedTuple):
    """What an order event does to its customer's true account; money in cents."""

    orders: int = 0
    gross: int = 0
    discount: int = 0
    refunded: int = 0
    cancelled: int = 0


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event that lacks only its message id and time stamps, between ``front`` and ``back``.

    ``ids`` says which of the customer's ids it carries: a bit per device, ``USER`` for the user id.
    """

    at: int
    name: str
    front: str
    back: str
    key: bytes
    customer: int
    ids: int
    effect: Effect | None


USER = 8


class Device(NamedTuple):
    """What a browser or app says of itself, as JSON text."""

    is_app: bool
    text: str


def _device(kind: str, agent: str, *, is_app: bool = False) -> Device:
    return Device(is_app, f'"userAgent":"{agent}","device":{{"type":"{kind}"}}')


_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome"
DEVICES = (
    _device("desktop", f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME}/122.0.0.0"),
    _device("mobile", f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_3 like Mac OS X) {_SAFARI}"),
    _device("mobile", f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_CHROME}/122.0.0.0 Mobile"),
    _device("ios", "ShopApp/5.4 (iPhone15,2; iOS 17.3)", is_app=True),
    _device("android", "ShopApp/5.4 (Pixel 7; Android 14)", is_app=True),
    _device("desktop", f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_SAFARI} Safari/605.1"),
    _device("tablet", f"Mozilla/5.0 (iPad; CPU OS 17_3 like Mac OS X) {_SAFARI}"),
    _device("desktop", "Mozilla/5.0 (X11; Linux x86_64; rv:123.0) Gecko/20100101 Firefox/123.0"),
)
BOTS = (
    _device("desktop", "python-requests/2.31.0"),
    _device("desktop", "Mozilla/5.0 (compatible; PriceHound/1.2; +https://hound.example/bot)"),
    _device("desktop", "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/119.0.0.0"),
)
SERVER = _device("server", "shop-server/3.1")
_MASK = 2**64 - 1


def anonymous_id(salt: int, customer: int, device: int) -> str:
    """Return the id that a device keeps, always the same one."""
    first = _mixed(salt + customer * 4 + device)
    return f"{first:016x}{_mixed(first):016x}"


def _mixed(number: int) -> int:
    """Spread a number over 64 bits (splitmix64)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)


class Visit:
    """Time passing on one device; each call drafts an event. Without anonymous id: a server's."""

    __slots__ = (
        "_context",
        "_device",
        "_key",
        "_out",
        "_random",
        "_who",
        "anonymous",
        "at",
        "customer",
        "device",
        "ids",
    )

    def __init__(
        self,
        out: Callable[[Draft], None],
        random: Callable[[], float],
        at: int,
        customer: int,
        device: int,
        anonymous: str,
        look: Device,
        answer: int,
    ) -> None:
        self._out, self._random = out, random
        self.at, self.customer, self.device, self.anonymous = at, customer, device, anonymous
        self._device = look
        self._key = anonymous.encode()
        self.ids = 1 << device if anonymous else 0
        self._who = f',"anonymousId":"{anonymous}"' if anonymous else ""
        self.consent(answer)

    def consent(self, answer: int) -> None:
        """Say so of consent from here on."""
        self._context = f',"context":{{{self._device.text}{CONSENT[answer]}}}}}'

    def know(self, user_id: str) -> None:
        """Carry the user id from here on."""
        self._key = user_id.encode()
        self.ids |= USER
        self._who += f',"userId":"{user_id}"'

    def wait(self, seconds: float) -> None:
        """Let time pass: so long on average."""
        pause = int(-1000 * seconds * log(1 - self._random())) + 200
        self.at += pause if pause < LONGEST_PAUSE_MS else LONGEST_PAUSE_MS

    def track(self, name: str, properties: str, effect: Effect | None = None) -> None:
        """Draft a track call; ``properties`` is the inside of a JSON object."""
        self._out(
            Draft(
                self.at,
                name,
                f'{{"type":"track","event":"{name}","messageId":"',
                f'{self._who},"properties":{{{properties}}}{self._context}',
                self._key,
                self.customer,
                self.ids,
                effect,
            )
        )

    def page(self, name: str, path: str) -> None:
        """Draft a page call, or in an app a screen call."""
        kind = "screen" if self._device.is_app else "page"
        self.call(
            kind,
            f'"name":"{name}","properties":{{"path":"{path}","url":"{SHOP}{path}"}}',
        )

    def call(self, kind: str, fields: str) -> None:
        """Draft a call that is no track call; ``fields`` are its own."""
        self._out(
            Draft(
                self.at,
                kind,
                f'{{"type":"{kind}","messageId":"',
                f"{self._who},{fields}{self._context}",
                self._key,
                self.customer,
                self.ids,
                None,
            )
        )
