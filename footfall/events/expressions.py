"""Compile JMESPath expressions, once, into functions of a parsed JSON value.

What mappings are made of nearly always (paths, ``||``, functions, a comparison with a text) costs a
tenth of what the library's interpreter takes; all else the library evaluates.
"""

from collections.abc import Callable
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

Read = Callable[[Any], Any]
_call = Functions().call_function
FAILURES = (JMESPathError, TypeError, ValueError, ArithmeticError)


def compiled(text: str) -> Read:
    """Return the function that an expression describes.

    Raises:
        ValueError: the text is no JMESPath expression.

    >>> compiled("body.user_id || body.client_id")({"body": {"client_id": "7f0b"}})
    '7f0b'
    """
    try:
        expression = jmespath.compile(text)
    except JMESPathError as error:
        reason = str(error).splitlines()[0].rstrip(": ")
        raise ValueError(f"no JMESPath expression: {reason}; see https://jmespath.org") from None
    return _reader(expression.parsed) or expression.search


def fields_at_root(text: str) -> set[str]:
    """Return the names that an expression looks up in the value itself.

    >>> sorted(fields_at_root("not_null(price, cost.net) || items[?sku == 'x'].price"))
    ['cost', 'items', 'price']
    """
    return _roots(jmespath.compile(text).parsed)


# Of these only the first child is evaluated against the value itself.
_CHAINS = {
    *("subexpression", "index_expression", "projection", "value_projection"),
    *("filter_projection", "flatten", "pipe"),
}


def _roots(node: Any) -> set[str]:
    if node["type"] == "field":
        return {node["value"]}
    children = node["children"][:1] if node["type"] in _CHAINS else node["children"]
    return {name for child in children for name in _roots(child)}


def _reader(node: Any) -> Read | None:
    """Return a function for a node of the syntax tree; None leaves it to the library."""
    make = _READERS.get(node["type"])
    return make(node) if make else None


def _field(node: Any) -> Read:
    name = node["value"]
    return lambda value: value.get(name) if isinstance(value, dict) else None


def _path(node: Any) -> Read | None:
    children = node["children"]
    if all(child["type"] == "field" for child in children):
        names = tuple(child["value"] for child in children)

        def walk(value: Any) -> Any:
            for name in names:
                if not isinstance(value, dict):
                    return None
                value = value.get(name)
            return value

        return walk
    steps = [_reader(child) for child in children]
    if None in steps:
        return None

    def follow(value: Any) -> Any:
        for step in steps:
            value = step(value)  # type: ignore[misc]
        return value

    return follow


def _index(node: Any) -> Read:
    position = node["value"]

    def pick(value: Any) -> Any:
        if not isinstance(value, list) or not -len(value) <= position < len(value):
            return None
        return value[position]

    return pick


def _either(node: Any) -> Read | None:
    left, right = map(_reader, node["children"])
    if left is None or right is None:
        return None

    def either(value: Any) -> Any:
        first = left(value)
        return right(value) if _is_false(first) else first

    return either


def _both(node: Any) -> Read | None:
    left, right = map(_reader, node["children"])
    if left is None or right is None:
        return None

    def both(value: Any) -> Any:
        first = left(value)
        return first if _is_false(first) else right(value)

    return both


def _equals(node: Any) -> Read | None:
    left, right = node["children"]
    read = _reader(left)
    if node["value"] != "eq" or read is None or type(right.get("value")) is not str:
        return None
    if right["type"] != "literal":
        return None
    text = right["value"]
    return lambda value: read(value) == text


def _function(node: Any) -> Read | None:
    readers = [reader for child in node["children"] if (reader := _reader(child)) is not None]
    if len(readers) < len(node["children"]):
        return None
    if node["value"] == "not_null":
        return _not_null(readers)
    name = node["value"]
    return lambda value: _call(name, [read(value) for read in readers])


def _not_null(readers: list[Read]) -> Read:
    def first(value: Any) -> Any:
        for read in readers:
            if (found := read(value)) is not None:
                return found
        return None

    return first


def _literal(node: Any) -> Read:
    constant = node["value"]
    return lambda value: constant


def _is_false(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


_READERS: dict[str, Callable[[Any], Read | None]] = {
    "current": lambda node: lambda value: value,
    "field": _field,
    "subexpression": _path,
    "index_expression": _path,
    "index": _index,
    "literal": _literal,
    "or_expression": _either,
    "and_expression": _both,
    "comparator": _equals,
    "function_expression": _function,
}
