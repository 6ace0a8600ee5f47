"""Read JSON that Postgres will accept as jsonb, or say why not.

msgspec and Postgres disagree on a few texts. What passes here passes there: U+0000 is refused, and
so are numbers beyond double precision, deep nesting and long values, before anything costs memory
or stack.

``parse`` looks at everything. A typed msgspec decoder costs a tenth of it: also in the fields that
it skips it holds JSON's grammar, but there it reads no number and no UTF-8. So what it took is fine
unless ``needs_close_look``.
"""

import re
from typing import Any

import msgspec

from footfall.events.event import Reason, Reject

MAX_BYTES = 512 * 1024
MAX_DEPTH = 64
MAX_PLACES = 400  # more than any double has; Postgres' numeric ends at 16,383 decimal places

_parse = msgspec.json.Decoder().decode
_MASK = bytes.maketrans(b"123456789E", b"000000000e")
_exponent = re.compile(rb"e[+-]?000").search
_PLACES = b"." + b"0" * 300
# On the bytes: of two equal keys the parsed value keeps one, and Postgres reads both. A backslash
# before it is itself escaped.
_nul = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000").search

# Every digit as 0, every opening as {, whatever may follow a number as a comma; signs left out.
_OUTLINE = bytes.maketrans(b"123456789E[]} \t\r\n", b"000000000e{,,,,,,")
_SIGNS = b"+-"
_three_digit_exponent = re.compile(rb"e0000*,").search
_SAMPLE_EVERY, _SAMPLED_RUN = 40, b"00000"  # any 200 digits in a row show in the sample


def parse(value: bytes | None) -> Any:
    """Return the JSON value as Python objects, or a Reject. The last of equal keys counts."""
    if value is None:
        return Reject(reason=Reason.NULL_VALUE, detail="the record has no value (a tombstone)")
    if not value:
        return Reject(reason=Reason.EMPTY_VALUE, detail="the record's value has no bytes")
    if len(value) > MAX_BYTES:
        return Reject(
            reason=Reason.TOO_LARGE, detail=f"{len(value)} bytes; at most {MAX_BYTES} are read"
        )
    try:
        parsed = _parse(value)
    except RecursionError:
        return _too_deep()
    except UnicodeDecodeError as error:
        return Reject(
            reason=Reason.INVALID_UTF8, detail=f"byte {error.start} of a text: {error.reason}"
        )
    except msgspec.ValidationError as error:
        return Reject(reason=Reason.NUMBER_OUT_OF_RANGE, detail=str(error))
    except msgspec.DecodeError as error:
        return Reject(reason=Reason.MALFORMED_JSON, detail=str(error))
    return _refused_by_postgres(value, parsed) or parsed


def needs_close_look(value: bytes) -> bool:
    """Return whether a value that a typed decoder took may yet hold what ``parse`` refuses.

    Cheap, and never False by mistake: below 200 digits and a three-digit exponent a number is
    within double precision, and a number in an object is followed by a comma, a bracket or a space.
    """
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    if 92 in value and b"\\u0000" in value:  # 92 is the backslash
        return True
    outline = value.translate(_OUTLINE, _SIGNS)
    return (
        outline.count(b"{") > MAX_DEPTH
        or _SAMPLED_RUN in outline[::_SAMPLE_EVERY]
        or _three_digit_exponent(outline) is not None
        or len(value) > MAX_BYTES
    )


def _refused_by_postgres(value: bytes, parsed: Any) -> Reject | None:
    """Look closely only at a value that may hold what Postgres refuses."""
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH and _depth(parsed) > MAX_DEPTH:
        return _too_deep()
    if b"\\u0000" in value and _nul(value):
        return Reject(
            reason=Reason.NUL_CHARACTER, detail="a text holds U+0000, which Postgres cannot store"
        )
    masked = value.translate(_MASK)
    if _exponent(masked) or _PLACES in masked:
        numbers: list[str] = []
        msgspec.json.Decoder(float_hook=numbers.append).decode(value)
        if any(_is_too_fine(number) for number in numbers):
            return Reject(
                reason=Reason.NUMBER_OUT_OF_RANGE,
                detail=f"a number has an exponent or decimal places beyond {MAX_PLACES}",
            )
    return None


def _is_too_fine(number: str) -> bool:
    mantissa, _, exponent = number.lower().partition("e")
    if len(exponent) > 6 or abs(int(exponent or 0)) > MAX_PLACES:
        return True
    return len(mantissa.partition(".")[2]) > MAX_PLACES


def _too_deep() -> Reject:
    return Reject(reason=Reason.TOO_DEEP, detail=f"nested deeper than {MAX_DEPTH} levels")


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        deepest += 1
    return deepest - 1
