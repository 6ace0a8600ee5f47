"""The CTEs of a compiled statement, and how their cases, windows and joins may be wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SILENT = re.compile(r"--[^\n]*|/\*.*?\*/|'[^']*'", re.DOTALL)
_NUMBER = re.compile(r"\b\d+\b")
_CTE = re.compile(r"(\w+) as (?:not )?(?:materialized )?\(")
_CASE = re.compile(r"\b(case|end)\b")
_WINDOW = re.compile(r"\bover (\w+|\()")
_PARTITION = re.compile(r"\s*partition by (.*?)\s*(?=\border by\b|\brows\b|$)", re.DOTALL)
_JOIN = re.compile(r"\b(inner|left|full outer|cross)\s+join\b")
_IN_A_JOIN = re.compile(
    r"[()]|\b(?:(?:inner|left|full outer|cross)\s+join"
    r"|on|where|group|order|limit|offset|window|union)\b"
)


@dataclass(frozen=True)
class Break:
    """One way in which a CTE could be wrong.

    Attributes:
        cte: its name.
        what: the case, window or join, without strings and numbers, and what becomes of it.
        sql: the whole statement, with it.
    """

    cte: str
    what: str
    sql: str


@dataclass(frozen=True)
class Edit:
    """Text in place of what lies between two places."""

    what: str
    start: int
    end: int
    instead: str


def ctes(sql: str) -> dict[str, str]:
    """Return the bodies of a statement's CTEs by name, without comments and strings."""
    text = _silenced(sql)
    return {name: text[start:end] for name, start, end in _spans(text)}


def may_lose_or_double_rows(body: str) -> bool:
    """Tell whether a CTE's body holds a case, a window or a join."""
    return any(pattern.search(body) for pattern in (_CASE, _WINDOW, _JOIN))


def breaks(sql: str) -> Iterator[Break]:
    """Break each case, window and join of each CTE of a statement, one at a time.

    A case is null. A window sees its own row alone, or the rows of all partitions. A join joins
    nothing, or everything with everything; a left join loses what has no partner.
    """
    text = _silenced(sql)
    for cte, start, end in _spans(text):
        for edits in (_cases, _windows, _joins):
            for edit in edits(sql, text, start, end):
                said = " ".join(_NUMBER.sub("0", text[edit.start : edit.end]).split())
                broken = sql[: edit.start] + edit.instead + sql[edit.end :]
                yield Break(cte, f"{edit.what}: {said}", broken)


def _silenced(sql: str) -> str:
    return _SILENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), sql)


def _spans(text: str) -> Iterator[tuple[str, int, int]]:
    place = 0
    while found := _CTE.search(text, place):
        place = _closing(text, found.end())
        yield found[1], found.end(), place


def _closing(text: str, place: int) -> int:
    """Return where the bracket closes that was opened just before a place."""
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        place += 1
    return place - 1


def _cases(sql: str, text: str, start: int, end: int) -> Iterator[Edit]:
    opened = []
    for word in _CASE.finditer(text, start, end):
        if word[1] == "case":
            opened.append(word.start())
        else:
            place, until = opened.pop(), word.end()
            yield Edit("null", place, until, f"case when false then {sql[place:until]} end")


def _windows(sql: str, text: str, start: int, end: int) -> Iterator[Edit]:
    for word in _WINDOW.finditer(text, start, end):
        if word[1] == "(":
            opening, until = word.end(), _closing(text, word.end()) + 1
        else:
            named = re.compile(rf"\b{word[1]} as \(").search(text, word.end(), end)
            assert named, word[1]
            opening, until = named.end(), word.end()
        said = sql[opening : _closing(text, opening)]
        partition = _PARTITION.match(said)
        rest = said[partition.end() :] if partition else said
        by = f", {partition[1]}" if partition else ""
        yield Edit("alone", word.start(), until, f"over (partition by random(){by} {rest})")
        if partition:
            yield Edit("of all", word.start(), until, f"over ({rest})")


def _joins(sql: str, text: str, start: int, end: int) -> Iterator[Edit]:
    for word in _JOIN.finditer(text, start, end):
        on, until = _condition(text, word.end(), end)
        table, condition = sql[word.end() : on], text[on + 2 : until].strip()
        if word[1] == "cross":
            yield Edit("of nothing", word.start(), until, f"inner join{table} on false ")
            continue
        yield Edit("of nothing", word.start(), until, f"{word[0]}{table}on false ")
        if condition != "true":
            yield Edit("of all", word.start(), until, f"{word[0]}{table}on true ")
        if word[1] == "left":
            yield Edit("inner", word.start(), word.end(), "inner join")


def _condition(text: str, place: int, end: int) -> tuple[int, int]:
    """Return where a join's ``on`` begins and where the join ends; the same of a cross join."""
    on, depth = None, 0
    for word in _IN_A_JOIN.finditer(text, place, end):
        if word[0] == "(":
            depth += 1
        elif word[0] == ")":
            depth -= 1
            if depth < 0:
                return on or word.start(), word.start()
        elif depth == 0 and word[0] == "on":
            on = on or word.start()
        elif depth == 0:
            return on or word.start(), word.start()
    return on or end, end
