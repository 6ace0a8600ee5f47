"""A gate that checked nothing fails: whatever Great Expectations leaves out closes the door."""

import io
from contextlib import redirect_stderr, redirect_stdout

import pandas as pd
import pytest

from expectations.evaluate import evaluate
from expectations.suite import Expectation, Suite, between, not_null

FRAME = pd.DataFrame({"amount": [1.0, 2.0, None], "name": ["a", "b", "c"]})


def stops_on(rule: Expectation) -> str:
    """Return what is observed of a rule that must stop without being evaluated."""
    result = evaluate(FRAME, Suite("a suite", (between("amount", 0, 9), rule)))
    assert (result.expected, result.evaluated, result.verdict) == (2, 1, "stop")
    (failure,) = result.failures
    assert failure.severity == "stop"
    return failure.observed


def test_a_rule_that_great_expectations_leaves_out_stops() -> None:
    # It leaves out what it does not know, and calls the rest a success.
    assert "does not know it" in stops_on(Expectation("expect_nothing_at_all", severity="warn"))


def test_a_rule_on_a_column_that_is_not_there_stops() -> None:
    assert "does not exist" in stops_on(not_null("price", severity="warn"))


def test_an_exception_inside_a_rule_stops() -> None:
    assert "could not be evaluated" in stops_on(between("name", 0, 1, severity="warn"))


def test_arguments_that_no_rule_takes_stop() -> None:
    rule = Expectation("expect_column_values_to_be_between", {"column": "amount", "bogus": 1})

    result = evaluate(FRAME, Suite("a suite", (rule,)))

    assert (result.evaluated, result.verdict) == (0, "stop")


def test_a_suite_without_rules_stops() -> None:
    assert evaluate(FRAME, Suite("a suite", ())).verdict == "stop"


def test_a_column_without_values_breaks_a_rule_about_values() -> None:
    empty = FRAME.assign(amount=float("nan"))

    strict = evaluate(empty, Suite("a suite", (between("amount", 0, 9, severity="warn"),)))
    lenient = evaluate(empty, Suite("a suite", (between("amount", 0, 9, may_be_empty=True),)))

    assert [failure.observed for failure in strict.failures] == ["the column holds no value"]
    assert (strict.verdict, lenient.verdict) == ("warn", "pass")


@pytest.mark.parametrize(("severity", "verdict"), [("warn", "warn"), ("stop", "stop")])
def test_the_severity_decides_what_a_broken_rule_means(severity: str, verdict: str) -> None:
    rule = between("amount", 0, 1, severity=severity)

    assert evaluate(FRAME, Suite("a suite", (rule,))).verdict == verdict


def test_a_failure_says_counts_and_no_values() -> None:
    people = pd.DataFrame({"name": ["Ada Lovelace", "b"]})
    rule = Expectation("expect_column_values_to_be_in_set", {"column": "name", "value_set": ["b"]})

    (failure,) = evaluate(people, Suite("a suite", (rule,))).failures

    assert str(failure) == ("expect_column_values_to_be_in_set (name): 1 of 2 rows break it [stop]")


def test_evaluating_prints_nothing() -> None:
    out, err = io.StringIO(), io.StringIO()

    with redirect_stdout(out), redirect_stderr(err):
        evaluate(FRAME, Suite("a suite", (between("amount", 0, 9),)))

    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_evaluating_logs_no_small_talk(caplog: pytest.LogCaptureFixture) -> None:
    evaluate(FRAME, Suite("a suite", (not_null("name"),)))
    assert [record for record in caplog.records if record.name.startswith("great_exp")] == []
