"""Read the rules of segments from YAML, and say in one line what is wrong with one.

A rule holds for a customer while all of its conditions hold; with ``per: category``, while all of
them hold for one and the same category. ``dbt_project/macros/segments.sql`` compiles rules to SQL.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from footfall.errors import BadArgument
from footfall.events.native import SEGMENT
from footfall.warehouse.dbt import PROJECT

FOLDER = PROJECT / "segments"
COMPUTED = PROJECT / "segment_kinds.yml"
COMPUTED_KINDS = ("rfm", "cluster")
KINDS = frozenset({*SEGMENT.calls.values(), *SEGMENT.events.values()})
ANY = "any"
MEASURES = {
    "events": "how many",
    "shop_sessions": "in how many of the shop's own sessions",
    "products": "of how many products",
    "value": "worth how much",
    "cart_value": "what lies in the cart",
}
COMPARISONS = ("at_least", "more_than", "fewer_than", "none")
PER = ("category",)
MINUTES = {"minutes": 1, "hours": 60, "days": 24 * 60}
MOST_MINUTES = 3660 * MINUTES["days"]
MOST_NAME = 60
_RULE = ("name", "owner", "description", "per", "when")
_CONDITION = ("measure", "of", "within", *COMPARISONS)
_WITHOUT_PRICE = frozenset({"refund", "cancel"})


@dataclass(frozen=True)
class Rule:
    """One segment as its file says.

    Attributes:
        name: the segment.
        owner: who answers for it.
        description: what it means, in a sentence.
        definition: the conditions, normalised: what the SQL is compiled from.
    """

    name: str
    owner: str
    description: str
    definition: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """The definition's hash: equal for files that mean the same."""
        text = json.dumps(self.definition, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class ComputedKind:
    """Segments that no rule makes, but scores or clusters: who answers for them, what they mean."""

    owner: str
    description: str


def read_rules(folder: Path | None = None) -> list[Rule]:
    """Return the rules of a folder, by name; of the project's, if none is given.

    Raises:
        BadArgument: a file is no rule; names the file, the key and what is allowed.
    """
    return [read_rule(file) for file in sorted((folder or FOLDER).glob("*.yml"))]


def read_rule(file: Path) -> Rule:
    """Return the rule of one file.

    Raises:
        BadArgument: it is none.
    """
    try:
        return _rule(yaml.safe_load(file.read_text()), file.stem)
    except yaml.YAMLError as error:
        raise BadArgument(f"{file.name}: no YAML: {' '.join(str(error).split())}") from None
    except _Wrong as error:
        raise BadArgument(f"{file.name}: {error}") from None


def read_computed_kinds(file: Path | None = None) -> dict[str, ComputedKind]:
    """Return who answers for the segments that no rule makes, by kind; the project's, if no file.

    Raises:
        BadArgument: a kind or a text is missing, or unknown; names the file and the key.
    """
    file = file or COMPUTED
    try:
        read = _mapping(yaml.safe_load(file.read_text()), "", COMPUTED_KINDS)
        return {kind: _computed_kind(read.get(kind), kind) for kind in COMPUTED_KINDS}
    except yaml.YAMLError as error:
        raise BadArgument(f"{file.name}: no YAML: {' '.join(str(error).split())}") from None
    except _Wrong as error:
        raise BadArgument(f"{file.name}: {error}") from None


def as_table(rules: Sequence[Rule]) -> str:
    """Return the rules as the table of docs/segments.md."""
    lines = ["| segment | owner | what it means | holds while there are |", "|---|---|---|---|"]
    lines += [
        f"| `{rule.name}` | {rule.owner} | {rule.description} | {in_words(rule.definition)} |"
        for rule in rules
    ]
    return "\n".join(lines) + "\n"


def in_words(definition: Mapping[str, Any]) -> str:
    """Say a definition in words: one line.

    >>> rule = {"measure": "events", "of": ["search"], "comparison": "at_least", "bound": "3"}
    >>> in_words({"per": None, "when": [rule | {"within_minutes": 120}]})
    'at least 3 events (search) within 2 hours'
    """
    said = ", and ".join(_condition_in_words(condition) for condition in definition["when"])
    return f"{said}, in one {definition['per']}" if definition["per"] else said


class _Wrong(Exception):
    """What is wrong with a rule: the key, and what is allowed."""


def _rule(read: Any, stem: str) -> Rule:
    fields = _mapping(read, "", _RULE)
    name = _text(fields, "name", "")
    if name != stem:
        raise _Wrong(f"name is {name!r}; it must be the file's, {stem!r}")
    if not name.isascii() or not name.replace("_", "a").isalnum() or not name[0].isalpha():
        raise _Wrong(f"name is {name!r}; use a to z, 0 to 9 and _, a letter first")
    if name != name.lower() or len(name) > MOST_NAME:
        raise _Wrong(f"name is {name!r}; use lower case, at most {MOST_NAME} characters")
    per = fields.get("per")
    if per is not None:
        _one_of(per, PER, "per")
    conditions = fields.get("when")
    if not isinstance(conditions, list) or not conditions:
        raise _Wrong("when is empty; give a list of conditions")
    when = [_condition(one, f"when[{n}]", per) for n, one in enumerate(conditions)]
    if all(one["comparison"] in ("fewer_than", "none") for one in when):
        raise _Wrong(
            "when has only conditions that somebody meets who never came; add one with at_least or"
            " more_than"
        )
    return Rule(
        name=name,
        owner=_text(fields, "owner", ""),
        description=_text(fields, "description", ""),
        definition={"per": per, "when": when},
    )


def _computed_kind(read: Any, kind: str) -> ComputedKind:
    fields = _mapping(read, kind, ("owner", "description"))
    texts = {key: _text(fields, key, f"{kind}.") for key in ("owner", "description")}
    return ComputedKind(**texts)


def _condition(read: Any, where: str, per: str | None) -> dict[str, Any]:
    fields = _mapping(read, where, _CONDITION)
    measure = _one_of(fields.get("measure"), tuple(MEASURES), f"{where}.measure")
    comparison, bound = _comparison(fields, where)
    of = _kinds(fields, where, measure)
    if per and measure == "cart_value":
        raise _Wrong(f"{where}.measure is cart_value; a cart is not kept per {per}")
    if per and measure == "value" and "purchase" in of:
        raise _Wrong(f"{where}.of has purchase; what was paid is not known per {per}")
    return {
        "measure": measure,
        "of": of,
        "within_minutes": _window(fields.get("within"), f"{where}.within"),
        "comparison": comparison,
        "bound": bound,
    }


def _kinds(fields: Mapping[str, Any], where: str, measure: str) -> list[str]:
    given = fields.get("of")
    if measure == "cart_value":
        if given is not None:
            raise _Wrong(f"{where}.of is given; the cart's events are known, leave it out")
        return []
    if given is None:
        if measure in ("shop_sessions", "products"):
            return [ANY]
        raise _Wrong(f"{where}.of is missing; name kinds of event: {_listed(KINDS)}")
    kinds = [given] if isinstance(given, str) else given
    if not isinstance(kinds, list) or not kinds:
        raise _Wrong(f"{where}.of is {given!r}; name kinds of event: {_listed(KINDS)}")
    for kind in kinds:
        _one_of(kind, KINDS, f"{where}.of")
        if measure == "value" and kind in _WITHOUT_PRICE:
            raise _Wrong(
                f"{where}.of has {kind}; value of purchase is what was paid less what was given"
                " back, a refund counts there"
            )
    return sorted(set(kinds))


def _comparison(fields: Mapping[str, Any], where: str) -> tuple[str, str]:
    given = [name for name in COMPARISONS if name in fields]
    if len(given) != 1:
        told = " and ".join(given) or "no comparison"
        raise _Wrong(f"{where} has {told}; give one of {', '.join(COMPARISONS)}")
    name, value = given[0], fields[given[0]]
    if name == "none":
        if value is not True:
            raise _Wrong(f"{where}.none is {value!r}; write none: true")
        return name, "0"
    bound = _number(value)
    if bound is None or bound < 0 or (bound == 0 and name != "more_than"):
        least = "0 or more" if name == "more_than" else "more than 0"
        raise _Wrong(f"{where}.{name} is {value!r}; give a number of {least}")
    return name, format(bound.normalize(), "f")


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _window(value: Any, where: str) -> int | None:
    """Return a window in minutes; None for ever."""
    if value is None:
        return None
    words = str(value).split()
    allowed = "30 minutes, 2 hours or 7 days; leave it out for ever"
    if len(words) != 2 or not words[0].isdecimal() or not words[0].isascii():
        raise _Wrong(f"{where} is {value!r}; give a window such as {allowed}")
    unit = words[1] if words[1].endswith("s") else f"{words[1]}s"
    minutes = int(words[0]) * MINUTES.get(unit, 0)
    if not 0 < minutes <= MOST_MINUTES:
        raise _Wrong(f"{where} is {value!r}; give a window such as {allowed}, at most ten years")
    return minutes


def _mapping(read: Any, where: str, allowed: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(read, dict):
        raise _Wrong(f"{where or 'the file'} is no mapping; give {', '.join(allowed)}")
    for key in read:
        if key not in allowed:
            place = f"{where}.{key}" if where else str(key)
            raise _Wrong(f"{place} is unknown; allowed are {', '.join(allowed)}")
    return read


def _text(fields: Mapping[str, Any], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{where}{key} is {value!r}; give a text")
    return " ".join(value.split())


def _one_of(value: Any, allowed: Sequence[str] | frozenset[str], where: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _Wrong(f"{where} is {value!r}; allowed are {_listed(allowed)}")
    return value


def _listed(names: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names) if isinstance(names, frozenset) else names)


def _condition_in_words(condition: Mapping[str, Any]) -> str:
    measure = condition["measure"].replace("_", " ")
    bound = "no" if condition["comparison"] == "none" else condition["bound"]
    how = "" if bound == "no" else condition["comparison"].replace("_", " ") + " "
    of = "" if condition["of"] in ([], [ANY]) else f" ({', '.join(condition['of'])})"
    minutes = condition["within_minutes"]
    if minutes is None:
        return f"{how}{bound} {measure}{of}"
    unit = next(name for name in ("days", "hours", "minutes") if not minutes % MINUTES[name])
    return f"{how}{bound} {measure}{of} within {minutes // MINUTES[unit]} {unit}"
