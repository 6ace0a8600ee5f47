"""Compile the templates of a mapping file: the shape of an event, with an expression at each leaf.

A leaf is a JMESPath expression. An object is an object, without the fields that came out null or
as a text that the mapping lists as ``empty``. An object whose keys begin with ``$`` does what
JMESPath cannot:

``$s``, ``$ms``, ``$us``     an instant, counted since 1970
``$iso``                     an instant as text; "… UTC" is understood as well
``$time``, ``$format``       an instant by the format of strptime
``$sum``, ``$product``       of two or more expressions
``$hash``, ``$prefix``       the hash of listed expressions, after a prefix
``$text``, ``$prefix``       an expression's text, after a prefix
``$object``, ``$key``, ``$value``    a list of keys and values as an object
``$each``, ``$let``, ``$fields``     a list, element by element

What cannot be converted is handed on as it was sent: the validation of events refuses it by name.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

import msgspec

from footfall.events.expressions import Read, compiled

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = {"$s": Decimal(1), "$ms": Decimal("1e-3"), "$us": Decimal("1e-6")}
HASH_DIGITS = 32


@dataclass(frozen=True)
class Scope:
    """Where in a mapping file a template stands, and which texts there mean nothing."""

    where: str
    empty: frozenset[str] = frozenset()

    def at(self, step: str) -> "Scope":
        """Return the scope of what stands below."""
        return Scope(self.where + step, self.empty)


class BadTemplate(ValueError):
    """A template makes no sense; the message says where and why."""


def compile_template(node: Any, scope: Scope) -> Read:
    """Return the function that a template describes.

    Raises:
        BadTemplate: at the scope, or below it.
    """
    if isinstance(node, str):
        try:
            return compiled(node)
        except ValueError as error:
            raise BadTemplate(f"{scope.where}: {node!r} is {error}") from None
    if not isinstance(node, dict):
        raise BadTemplate(f"{scope.where}: {node!r} is neither an expression (text) nor an object")
    if any(str(key).startswith("$") for key in node):
        return _operation(node, scope)
    return _object(
        {key: compile_template(node[key], scope.at(f".{key}")) for key in node}, scope.empty
    )


def expressions_of(node: Any) -> list[str]:
    """Return the expressions in a template that are evaluated against the value itself."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, list):
        return [text for item in node for text in expressions_of(item)]
    if not isinstance(node, dict):
        return []
    inner = {"$prefix", "$format", "$fields", "$let", "$key", "$value"}
    return [text for key, item in node.items() if key not in inner for text in expressions_of(item)]


def with_lets(lets: Mapping[str, Read], value: dict[str, Any]) -> dict[str, Any]:
    """Return a value with its named parts beside its fields; a later one may use an earlier one."""
    if not lets:
        return value
    whole = dict(value)
    for name, read in lets.items():
        whole[name] = read(whole)
    return whole


def compile_lets(node: Any, scope: Scope) -> dict[str, Read]:
    """Return the named parts of a mapping, compiled."""
    if not isinstance(node, dict):
        raise BadTemplate(f"{scope.where}: {node!r} is no object of named parts")
    return {name: compile_template(part, scope.at(f".{name}")) for name, part in node.items()}


def _object(fields: dict[str, Read], empty: frozenset[str]) -> Read:
    items = tuple(fields.items())

    def build(value: Any) -> dict[str, Any] | None:
        built = {}
        for name, read in items:
            found = read(value)
            if found is not None and not (isinstance(found, str) and found in empty):
                built[name] = found
        return built or None

    return build


def _operation(node: dict[str, Any], scope: Scope) -> Read:
    keys = frozenset(node)
    for needed, allowed, make in _OPERATIONS:
        if needed <= keys <= needed | allowed:
            return make(node, scope)
    known = "; ".join(", ".join(sorted(needed)) for needed, _, _ in _OPERATIONS)
    raise BadTemplate(
        f"{scope.where}: {', '.join(sorted(keys))} is no operation; known are {known}"
    )


def _counted(unit: str, node: dict[str, Any], scope: Scope) -> Read:
    read, seconds = compile_template(node[unit], scope.at(f".{unit}")), SECONDS[unit]

    def instant(value: Any) -> Any:
        sent = read(value)
        number = _decimal(sent)
        if number is None:
            return sent
        try:
            micros = int((number * seconds).scaleb(6).to_integral_value())
            return _text(EPOCH + timedelta(microseconds=micros))
        except (ArithmeticError, ValueError):
            return str(sent)

    return instant


def _iso(node: dict[str, Any], scope: Scope) -> Read:
    read = compile_template(node["$iso"], scope.at(".$iso"))

    def instant(value: Any) -> Any:
        sent = read(value)
        if isinstance(sent, str) and sent.endswith(" UTC"):
            return sent[:-4] + "Z"
        return sent

    return instant


def _formatted(node: dict[str, Any], scope: Scope) -> Read:
    read = compile_template(node["$time"], scope.at(".$time"))
    form = str(node["$format"])

    def instant(value: Any) -> Any:
        sent = read(value)
        try:
            at = datetime.strptime(sent, form) if isinstance(sent, str) else None
        except ValueError:
            return sent
        if at is None:
            return sent
        return _text(at.replace(tzinfo=UTC) if at.tzinfo is None else at)

    return instant


def _arithmetic(operation: str, node: dict[str, Any], scope: Scope) -> Read:
    reads = _listed(node[operation], scope.at(f".{operation}"))

    def calculate(value: Any) -> Any:
        sent = [read(value) for read in reads]
        if operation == "$product" and None in sent:
            return None
        sent = [one for one in sent if one is not None and one != ""]
        numbers = [_decimal(one) for one in sent]
        if None in numbers:
            return sent[numbers.index(None)]
        if not numbers:
            return None
        result = Decimal(0 if operation == "$sum" else 1)
        for number in numbers:
            assert number is not None
            result = result + number if operation == "$sum" else result * number
        return float(result)

    return calculate


def _hash(node: dict[str, Any], scope: Scope) -> Read:
    reads, prefix = _listed(node["$hash"], scope.at(".$hash")), str(node.get("$prefix", ""))

    def digest(value: Any) -> str:
        parts = msgspec.json.encode([read(value) for read in reads], order="deterministic")
        return prefix + hashlib.sha256(parts).hexdigest()[:HASH_DIGITS]

    return digest


def _prefixed(node: dict[str, Any], scope: Scope) -> Read:
    read, prefix = compile_template(node["$text"], scope.at(".$text")), str(node["$prefix"])

    def text(value: Any) -> Any:
        sent = read(value)
        if sent is None or sent == "" or isinstance(sent, bool | list | dict):
            return None
        return f"{prefix}{sent}"

    return text


def _keyed(node: dict[str, Any], scope: Scope) -> Read:
    read, key, item = (
        compile_template(node[name], scope.at(f".{name}")) for name in ("$object", "$key", "$value")
    )

    def fold(value: Any) -> Any:
        sent = read(value)
        if not isinstance(sent, list):
            return None
        return {name: item(one) for one in sent if isinstance(name := key(one), str)}

    return fold


def _each(node: dict[str, Any], scope: Scope) -> Read:
    read = compile_template(node["$each"], scope.at(".$each"))
    fields = compile_template(node["$fields"], scope.at(".$fields"))
    lets = compile_lets(node.get("$let", {}), scope.at(".$let"))

    def every(value: Any) -> Any:
        sent = read(value)
        if not isinstance(sent, list):
            return sent
        return [
            fields(with_lets(lets, one)) or {} if isinstance(one, dict) else one for one in sent
        ]

    return every


def _listed(node: Any, scope: Scope) -> list[Read]:
    if not isinstance(node, list) or not node:
        raise BadTemplate(f"{scope.where}: {node!r} is no list of expressions")
    return [compile_template(item, scope.at(f"[{place}]")) for place, item in enumerate(node)]


def _decimal(sent: Any) -> Decimal | None:
    if isinstance(sent, bool) or not isinstance(sent, int | float | str):
        return None
    try:
        number = Decimal(str(sent))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 40 else None


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


_Make = Callable[[dict[str, Any], Scope], Read]
_OPERATIONS: list[tuple[set[str], set[str], _Make]] = [
    *(({unit}, set(), partial(_counted, unit)) for unit in SECONDS),
    ({"$iso"}, set(), _iso),
    ({"$time", "$format"}, set(), _formatted),
    *(({name}, set(), partial(_arithmetic, name)) for name in ("$sum", "$product")),
    ({"$hash"}, {"$prefix"}, _hash),
    ({"$text", "$prefix"}, set(), _prefixed),
    ({"$object", "$key", "$value"}, set(), _keyed),
    ({"$each", "$fields"}, {"$let"}, _each),
]
