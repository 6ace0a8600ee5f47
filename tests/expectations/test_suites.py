"""Every rule of every suite can fail; good frames pass; limits are where they are said to be."""

import numpy as np
import pandas as pd
import pytest

from expectations import events, features
from expectations.evaluate import Failure, Result, evaluate
from expectations.suite import Expectation
from ml.catalogue import FEATURES
from tests.expectations import frames

SUITES = frames.good()
RULES = [
    pytest.param(name, rule, id=f"{name}-{rule.type.removeprefix('expect_')}-{rule.column}-{n}")
    for name, (_, suite) in SUITES.items()
    for n, rule in enumerate(suite.expectations)
    if rule.type != "expect_table_row_count_to_be_between"
]


def broken_rules(result: Result) -> set[tuple[str, str | None, str]]:
    return {(failure.expectation, failure.column, failure.severity) for failure in result.failures}


@pytest.mark.parametrize("name", SUITES)
def test_a_good_frame_passes(name: str) -> None:
    frame, suite = SUITES[name]

    result = evaluate(frame, suite)

    assert result == Result(len(frame), len(suite.expectations), len(suite.expectations), ())
    assert result.verdict == "pass"


@pytest.mark.parametrize("name", SUITES)
def test_a_frame_without_rows_stops(name: str) -> None:
    frame, suite = SUITES[name]

    result = evaluate(frame.iloc[:0], suite)

    assert (result.rows, result.evaluated, result.verdict) == (0, 0, "stop")


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_each_rule_can_fail(name: str, rule: Expectation) -> None:
    frame, suite = SUITES[name]

    result = evaluate(frames.broken(frame, rule), suite)

    assert (rule.type, rule.column, rule.severity) in broken_rules(result)
    assert result.evaluated == result.expected
    assert result.verdict == "stop" if rule.severity == "stop" else result.verdict != "pass"


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        pytest.param(
            {"customer_ref": "x:1"},
            Failure(
                "expect_column_values_to_match_regex",
                "customer_ref",
                "stop",
                "1 of 40 rows break it",
            ),
            id="a ref of no kind",
        ),
        pytest.param(
            {"event_name": "mystery"},
            Failure(
                "expect_column_values_to_be_in_set", "event_name", "stop", "1 of 40 rows break it"
            ),
            id="a name that is not canonical",
        ),
        pytest.param(
            {"seconds_ahead": 86_401.0},
            Failure(
                "expect_column_values_to_be_between",
                "seconds_ahead",
                "stop",
                "1 of 40 rows break it",
            ),
            id="more than a day ahead",
        ),
        pytest.param(
            {"order_value": -1.0},
            Failure(
                "expect_column_values_to_be_between",
                "order_value",
                "warn",
                "1 of 40 rows break it",
            ),
            id="one negative order in twenty",
        ),
    ],
)
def test_one_bad_event_breaks_one_rule(change: dict[str, object], failure: Failure) -> None:
    frame, suite = SUITES["events"]
    frame = frame.copy()
    for column, value in change.items():
        frame.loc[0, column] = value

    assert evaluate(frame, suite).failures == (failure,)


@pytest.mark.parametrize(
    ("rejected", "verdict"),
    [
        pytest.param([0, 0, 0], "pass", id="none"),
        pytest.param([1, 0, 0], "pass", id="1 percent of a load"),
        pytest.param([2, 0, 0], "warn", id="2 percent of a load"),
        pytest.param([20, 0, 0], "warn", id="20 percent of a load"),
        pytest.param([21, 0, 0], "stop", id="21 percent of a load"),
        pytest.param([0, 0, 100], "stop", id="one load of three all bad"),
    ],
)
def test_rejects_warn_beyond_one_percent_and_stop_beyond_twenty(
    rejected: list[int], verdict: str
) -> None:
    stored = [100 - count for count in rejected]
    ledger = frames.ledger(
        stored=stored,
        duplicates=0,
        rejected=rejected,
        open_rejects=rejected,
        consent_statements=stored,
    )

    result = evaluate(events.judged_ledger(ledger), events.ledger_suite())

    assert result.verdict == verdict


def test_few_rejects_never_stop_a_small_load() -> None:
    ledger = frames.ledger(1, records_read=10, stored=0, duplicates=0, rejected=10, open_rejects=10)

    judged = events.judged_ledger(ledger.assign(consent_statements=0))

    assert evaluate(judged, events.ledger_suite()).verdict == "warn"


def test_many_small_loads_stop_together() -> None:
    ledger = frames.ledger(10, records_read=10, stored=5, duplicates=0, rejected=5, open_rejects=5)

    judged = events.judged_ledger(ledger.assign(consent_statements=5))

    assert evaluate(judged, events.ledger_suite()).verdict == "stop"


def test_replayed_and_erased_rejects_are_forgiven() -> None:
    ledger = frames.ledger(stored=50, duplicates=0, rejected=50, open_rejects=0)

    judged = events.judged_ledger(ledger.assign(consent_statements=50))

    assert evaluate(judged, events.ledger_suite()).verdict == "pass"


def test_a_shop_that_never_states_consent_is_warned() -> None:
    judged = events.judged_ledger(frames.ledger(consent_statements=0))

    result = evaluate(judged, events.ledger_suite())

    assert broken_rules(result) == {("expect_column_mean_to_be_between", "consent_share", "warn")}


def test_batches_without_orders_are_let_through() -> None:
    frame, suite = SUITES["events"]
    nothing_bought = frame.assign(event_name="page_view", order_value=np.nan, product_count=np.nan)

    assert evaluate(nothing_bought, suite).verdict == "pass"


def verdict_on(frame: pd.DataFrame) -> tuple[str, list[str]]:
    results = [evaluate(*judged) for judged in features.judged(frame, frames.FEATURES)]
    assert all(result.evaluated == result.expected for result in results)
    words = [result.verdict for result in results]
    failures = [str(failure) for result in results for failure in result.failures]
    return "stop" if "stop" in words else "warn" if "warn" in words else "pass", failures


def test_a_feature_that_is_null_for_all_is_let_through_only_where_null_has_a_meaning() -> None:
    frame = frames.feature_rows()

    assert verdict_on(frame.assign(last_order_value=np.nan)) == ("pass", [])
    assert verdict_on(frame.assign(order_count_7d=np.nan))[0] == "stop"


def test_a_missing_feature_stops() -> None:
    verdict, failures = verdict_on(frames.feature_rows().drop(columns="net_revenue_30d"))

    assert verdict == "stop"
    assert failures[0].startswith("expect_table_columns_to_match_set")


@pytest.mark.parametrize(
    ("feature", "value", "rule"),
    [
        ("recency_gap_score", np.inf, "infinite"),
        ("recency_gap_score", -np.inf, "infinite"),
        ("discount_share_90d", 1.5, "out_of_range"),
        ("days_since_last_order", -1.0, "later_than_as_of"),
        ("funnel_depth_30d", -1.0, "out_of_range"),
        ("order_count_7d", np.nan, "nulls_forbidden"),
        ("order_count_30d", 0.0, "fewer_than_in_a_shorter_window"),
    ],
)
def test_the_feature_that_breaks_a_rule_is_named(feature: str, value: float, rule: str) -> None:
    frame = frames.feature_rows()
    frame.loc[3, feature] = value

    verdict, failures = verdict_on(frame)

    assert verdict == "stop"
    broken = f"1 of {len(frames.FEATURES)} rows break it: {feature}"
    assert failures == [f"expect_column_values_to_be_between ({rule}): {broken} [stop]"]


def test_money_below_zero_is_a_warning() -> None:
    frame = frames.feature_rows()
    frame.loc[3, "net_revenue_30d"] = -1.0

    assert verdict_on(frame)[0] == "warn"


def test_the_names_of_all_features_say_when_they_may_be_null_and_in_what_range_they_lie() -> None:
    lowest = {"money": -features.FINITE, "deviations": -features.FINITE}
    highest = {"share": 1 + features.ROUNDING}
    for feature in FEATURES:
        rule = features.rule_of(feature.name)
        assert rule.may_be_null == (feature.null_when is not None), feature.name
        assert rule.high == highest.get(feature.unit, features.FINITE), feature.name
        if feature.name not in ("open_cart_value", "net_revenue_trend"):
            assert round(rule.low) == lowest.get(feature.unit, 0.0), feature.name
            assert rule.is_money == (feature.unit == "money"), feature.name


def test_customers_of_several_instants_are_not_duplicates() -> None:
    frame = frames.feature_rows()
    earlier = frame.assign(as_of=pd.Timestamp("2017-12-02", tz="UTC"))

    assert verdict_on(pd.concat([frame, earlier], ignore_index=True)) == ("pass", [])


def test_a_single_customer_is_enough() -> None:
    assert verdict_on(frames.feature_rows(1).fillna(1.0)) == ("pass", [])
