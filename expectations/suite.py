"""What a suite is: named rules about one frame, each with what happens when it is broken.

The rules are Great Expectations' own, by type and arguments; ``evaluate`` hands them over. They are
declared here as plain data, because Great Expectations takes seconds to import and leaves a rule
that it does not know out of its own suites.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["stop", "warn"]


@dataclass(frozen=True)
class Expectation:
    """One rule.

    Attributes:
        type: Great Expectations' name, such as ``expect_column_values_to_be_between``.
        arguments: its arguments, by name.
        severity: what a broken rule means for the door: closed, or open with a warning.
        may_be_empty: a column without a single value breaks the rule unless this is set.
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "stop"
    may_be_empty: bool = False

    @property
    def column(self) -> str | None:
        """The column that the rule is about; None when it is about the whole table."""
        if "column" in self.arguments:
            return str(self.arguments["column"])
        if "column_A" in self.arguments:
            return f"{self.arguments['column_A']}, {self.arguments['column_B']}"
        columns = self.arguments.get("column_list")
        return ", ".join(columns) if columns else None


@dataclass(frozen=True)
class Suite:
    """The rules at one door, for one frame.

    Attributes:
        name: of the suite.
        expectations: the rules.
        named_by: a column whose values a failure may tell: names of things, never of customers.
    """

    name: str
    expectations: tuple[Expectation, ...]
    named_by: str | None = None


def between(
    column: str,
    low: float | None = None,
    high: float | None = None,
    *,
    mostly: float = 1.0,
    severity: Severity = "stop",
    may_be_empty: bool = False,
) -> Expectation:
    """Expect values, nulls aside, within the closed range: all, or the share ``mostly``."""
    arguments = {"column": column, "min_value": low, "max_value": high, "mostly": mostly}
    kept = {name: value for name, value in arguments.items() if value is not None}
    return Expectation("expect_column_values_to_be_between", kept, severity, may_be_empty)


def mean_between(
    column: str, low: float | None = None, high: float | None = None, *, severity: Severity = "stop"
) -> Expectation:
    """Expect the mean of the values within the closed range."""
    arguments = {"column": column, "min_value": low, "max_value": high}
    kept = {name: value for name, value in arguments.items() if value is not None}
    return Expectation("expect_column_mean_to_be_between", kept, severity)


def not_null(column: str, *, severity: Severity = "stop") -> Expectation:
    """Expect a value in every row."""
    return Expectation("expect_column_values_to_not_be_null", {"column": column}, severity)


def unique(*columns: str, severity: Severity = "stop") -> Expectation:
    """Expect no two rows with the same value, or the same combination of values."""
    if len(columns) == 1:
        return Expectation("expect_column_values_to_be_unique", {"column": columns[0]}, severity)
    arguments = {"column_list": list(columns)}
    return Expectation("expect_compound_columns_to_be_unique", arguments, severity)


def one_of(column: str, values: Iterable[str], *, severity: Severity = "stop") -> Expectation:
    """Expect every value, nulls aside, in the set."""
    arguments = {"column": column, "value_set": sorted(values)}
    return Expectation("expect_column_values_to_be_in_set", arguments, severity)


def matches(column: str, pattern: str, *, severity: Severity = "stop") -> Expectation:
    """Expect every value, nulls aside, to match the regular expression from its start."""
    arguments = {"column": column, "regex": pattern}
    return Expectation("expect_column_values_to_match_regex", arguments, severity)


def columns_are(*columns: str) -> Expectation:
    """Expect exactly these columns, in any order."""
    arguments = {"column_set": sorted(columns), "exact_match": True}
    return Expectation("expect_table_columns_to_match_set", arguments)


def has_rows() -> Expectation:
    """Expect at least one row."""
    return Expectation("expect_table_row_count_to_be_between", {"min_value": 1})
