"""The ways in which records go bad on their way."""

import re
from collections.abc import Callable
from random import Random

Spoiler = Callable[[bytes, Random], bytes | None]

_ID = re.compile(rb'"messageId":"[^"]*"')
_TIME = re.compile(rb'"timestamp":"[^"]*"')
_WHO = re.compile(rb',"(?:anonymousId|userId)":"[^"]*"')
_CALL = re.compile(rb'"type":"[a-z]+"(?:,"event":"[^"]*")?')


def _event(name: str, properties: str) -> Callable[[bytes], bytes]:
    call = f'"type":"track","event":"{name}","properties":{{{properties}}}'.encode()

    def changed(value: bytes) -> bytes:
        return (
            b"{"
            + call
            + b","
            + b",".join(found[0] for pattern in (_ID, _TIME) if (found := pattern.search(value)))
            + b"".join(_WHO.findall(value))
            + b"}"
        )

    return changed


_teleported = _event("Product Teleported", '"product_id":"p1"')
_priced_in_words = _event("Product Viewed", '"product_id":"p1","price":"19,99 €"')
_order_without_id = _event("Order Completed", '"total":20.5')
_with_nul = _event("Products Searched", r'"query":"a\u0000b"')

SPOILERS: dict[str, Spoiler] = {
    "cut off": lambda value, dice: value[: 1 + int(dice.random() * (len(value) - 1))],
    "a page of errors": lambda value, dice: b"<html><body>502 Bad Gateway</body></html>",
    "not UTF-8": lambda value, dice: value[:-1] + b',"note":"caf\xe9"}',
    "empty": lambda value, dice: b"",
    "no value": lambda value, dice: None,
    "an array": lambda value, dice: b"[" + value + b",1]",
    "no type": lambda value, dice: _CALL.sub(b'"kind":"track"', value, count=1),
    "no message id": lambda value, dice: _ID.sub(b'"messageId":""', value, count=1),
    "nobody": lambda value, dice: _WHO.sub(b"", value),
    "no time": lambda value, dice: _TIME.sub(b'"timestamp":null', value, count=1),
    "a time in words": lambda value, dice: _TIME.sub(b'"timestamp":"yesterday"', value, count=1),
    "long ago": lambda value, dice: _TIME.sub(
        b'"timestamp":"1970-01-01T00:00:00Z"', value, count=1
    ),
    "far ahead": lambda value, dice: _TIME.sub(
        b'"timestamp":"2999-01-01T00:00:00Z"', value, count=1
    ),
    "an endless id": lambda value, dice: _ID.sub(
        b'"messageId":"' + b"9" * 300 + b'"', value, count=1
    ),
    "an unknown event": lambda value, dice: _teleported(value),
    "a price in words": lambda value, dice: _priced_in_words(value),
    "an order without id": lambda value, dice: _order_without_id(value),
    "a NUL character": lambda value, dice: _with_nul(value),
}
_KINDS = tuple(SPOILERS.values())


def spoil(value: bytes, dice: Random) -> bytes | None:
    """Return what is left of an event's value: something that no loader may take for an event."""
    return _KINDS[int(dice.random() * len(_KINDS))](value, dice)
