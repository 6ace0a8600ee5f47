"""Evaluate a suite on a frame with Great Expectations, and believe only what was really checked.

Great Expectations has called an empty batch, a rule it left out and a rule it does not know a
success. Therefore a result counts only when the frame has rows, when the rule's own number comes
back without an exception, and when the rule saw at least one value; what is missing means stop.
"""

import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from expectations.suite import Expectation, Severity, Suite

if TYPE_CHECKING:
    import pandas as pd

VerdictWord = Literal["pass", "warn", "stop"]
OBSERVED_CHARACTERS = 300


@dataclass(frozen=True)
class Failure:
    """One broken rule: counts, statistics and names of things, never a customer's own values."""

    expectation: str
    column: str | None
    severity: Severity
    observed: str

    def __str__(self) -> str:
        """Say it in one line: ``expect_… (column): observed [severity]``."""
        place = f" ({self.column})" if self.column else ""
        return f"{self.expectation}{place}: {self.observed} [{self.severity}]"


@dataclass(frozen=True)
class Result:
    """What one suite said of one frame."""

    rows: int
    expected: int
    evaluated: int
    failures: tuple[Failure, ...]

    @property
    def verdict(self) -> VerdictWord:
        """Stop when nothing or not everything was checked, or when a stopping rule is broken."""
        if self.rows == 0 or self.expected == 0 or self.evaluated != self.expected:
            return "stop"
        if any(failure.severity != "warn" for failure in self.failures):
            return "stop"
        return "warn" if self.failures else "pass"


def evaluate(frame: "pd.DataFrame", suite: Suite) -> Result:
    """Check every rule of the suite on the frame.

    Args:
        frame: the rows, in the columns that the suite names.
        suite: the rules.

    Returns:
        The counts and the broken rules. A rule that could not be evaluated is a failure that stops,
        and is missing from ``evaluated``. Nothing is raised for bad data.
    """
    if frame.empty:
        nothing = Failure(suite.name, None, "stop", "there is no row to check")
        return Result(len(frame), len(suite.expectations), 0, (nothing,))
    try:
        outcomes = {outcome.number: outcome for outcome in _outcomes(frame, suite)}
    except Exception as error:  # the rules are data: whatever they break must close the door
        broken = Failure(suite.name, None, "stop", _cut(f"could not be evaluated: {error}"))
        return Result(len(frame), len(suite.expectations), 0, (broken,))
    failures = [
        failure
        for number, expectation in enumerate(suite.expectations)
        if (failure := _failure(expectation, outcomes.get(number), suite.named_by))
    ]
    evaluated = sum(outcome.is_evaluated for outcome in outcomes.values())
    return Result(len(frame), len(suite.expectations), evaluated, tuple(failures))


@dataclass(frozen=True)
class _Outcome:
    """What Great Expectations returned for the rule with this number."""

    number: int
    success: bool
    error: str | None
    statistics: dict[str, Any]

    @property
    def is_evaluated(self) -> bool:
        return self.error is None

    @property
    def saw_nothing(self) -> bool:
        """Whether the column held no value at all, so that a per-value rule held vacuously."""
        count = self.statistics.get("element_count")
        return bool(count) and self.statistics.get("missing_count") == count


def _failure(
    expectation: Expectation, outcome: _Outcome | None, named_by: str | None
) -> Failure | None:
    def broken(severity: Severity, observed: str) -> Failure:
        return Failure(expectation.type, expectation.column, severity, _cut(observed))

    if outcome is None:
        return broken("stop", "not evaluated: Great Expectations does not know it or left it out")
    if outcome.error is not None:
        return broken("stop", f"could not be evaluated: {outcome.error}")
    if outcome.saw_nothing and not expectation.may_be_empty:
        return broken(expectation.severity, "the column holds no value")
    if not outcome.success:
        return broken(expectation.severity, _observed(outcome.statistics, named_by))
    return None


def _observed(statistics: dict[str, Any], named_by: str | None) -> str:
    if "unexpected_count" in statistics:
        count, rows = statistics["unexpected_count"], statistics["element_count"]
        names = [str(row[named_by]) for row in statistics.get("unexpected_index_list") or ()]
        return f"{count:,} of {rows:,} rows break it" + (f": {', '.join(names)}" if names else "")
    value = statistics.get("observed_value")
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f"observed {shown}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= OBSERVED_CHARACTERS else line[: OBSERVED_CHARACTERS - 1] + "…"


def _outcomes(frame: "pd.DataFrame", suite: Suite) -> Iterable[_Outcome]:
    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset(suite.name)
    definition = asset.add_batch_definition_whole_dataframe("whole")
    batch = definition.get_batch({"dataframe": frame})
    rules = [
        {
            "type": expectation.type,
            "kwargs": dict(expectation.arguments),
            "severity": "critical" if expectation.severity == "stop" else "warning",
            "meta": {"number": number, "severity": expectation.severity},
        }
        for number, expectation in enumerate(suite.expectations)
    ]
    told = (
        {"result_format": "COMPLETE", "unexpected_index_column_names": [suite.named_by]}
        if suite.named_by
        else "BASIC"
    )
    validated = batch.validate(
        gx.ExpectationSuite(suite.name, expectations=rules), result_format=told
    )
    for result in validated.results:
        yield _Outcome(
            number=int(result.expectation_config.meta["number"]),
            success=bool(result.success),
            error=_exception(result.exception_info or {}),
            statistics=dict(result.result or {}),
        )


def _exception(info: dict[str, Any]) -> str | None:
    """Return the message of the exception inside one rule; it comes flat or keyed by metric."""
    flat = [info] if "raised_exception" in info else list(info.values())
    messages = [str(entry["exception_message"]) for entry in flat if entry["raised_exception"]]
    return messages[0] if messages else None


def _great_expectations() -> Any:
    """Import it without its libraries' deprecation warnings, and keep its small talk from logs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
    for name in ("great_expectations", "great_expectations.data_context.types.base"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return great_expectations
