"""What the three gates say of what is really at the doors; each verdict is stored."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from footfall.errors import GateStopped
from footfall.gates import check
from footfall.gates.check import check_features, check_raw, check_scores
from footfall.warehouse.verdicts import Verdict, latest_verdict, loads_cleared, pending_loads
from ml.features import NAMES
from tests.conftest import set_environment
from tests.gates import door

Connection = psycopg.Connection[Any]


def build(connection: Connection, load_ids: list[int], *, finished: bool = True) -> None:
    """Note a build that took in the loads."""
    row = connection.execute(
        "insert into ops.builds (as_of, built_through, full_refresh, finished_at)"
        " values (%s, %s, false, %s) returning build_id",
        (door.AS_OF, door.AS_OF, door.NOON if finished else None),
    ).fetchone()
    assert row is not None
    for load_id in load_ids:
        connection.execute("insert into ops.build_loads values (%s, %s)", (row[0], load_id))


def failed(verdict: Verdict, words: str) -> bool:
    return any(words in failure for failure in verdict.failures)


# raw ---------------------------------------------------------------------------------------------


def test_good_loads_pass_and_are_cleared(connection: Connection) -> None:
    load_ids = [door.load(connection), door.load(connection)]

    verdict = check_raw()

    assert (verdict.verdict, verdict.failures) == ("pass", ())
    assert (verdict.rows_checked, verdict.rows_found) == (40, 40)
    assert verdict.evaluated == verdict.expected > 20
    assert verdict.load_ids == tuple(load_ids)
    assert loads_cleared(connection) == load_ids


def test_a_verdict_is_stored_as_it_is_returned(connection: Connection) -> None:
    door.load(connection, rejected=1)

    verdict = check_raw()

    assert verdict.verdict == "warn"
    assert latest_verdict(connection, "raw", verdict.subject) == verdict


def test_no_pending_load_stops_and_says_so(connection: Connection) -> None:
    build(connection, [door.load(connection)])

    verdict = check_raw()

    assert (verdict.verdict, verdict.rows_checked, verdict.expected) == ("stop", 0, 0)
    assert latest_verdict(connection, "raw", "nothing") == verdict
    with pytest.raises(GateStopped, match="no load is pending"):
        verdict.enforce()


def test_loads_of_a_build_that_did_not_finish_are_still_pending(connection: Connection) -> None:
    first, second = door.load(connection), door.load(connection)
    build(connection, [first])
    build(connection, [second], finished=False)

    assert pending_loads(connection) == [second]
    assert check_raw().subject == str(second)


def test_what_a_gate_stops_is_not_cleared(connection: Connection) -> None:
    door.load(connection, rejected=30)

    verdict = check_raw()

    assert verdict.verdict == "stop"
    assert failed(verdict, "rejects_above_limit")
    assert loads_cleared(connection) == []


def test_a_later_verdict_overrules_an_earlier_one(connection: Connection) -> None:
    load_id = door.load(connection, rejected=30)
    check_raw()
    connection.execute("update raw.rejected_events set replayed_at = now()")

    assert check_raw().verdict == "pass"
    assert loads_cleared(connection) == [load_id]


def test_rejects_of_erased_customers_are_no_fault_of_the_load(connection: Connection) -> None:
    door.load(connection, rejected=30, reason="erased")

    assert check_raw().verdict == "pass"


def test_loads_of_nothing_but_duplicates_pass(connection: Connection) -> None:
    load_id = door.load(connection, events=0, duplicates=12)

    verdict = check_raw()

    assert (verdict.verdict, verdict.rows_checked) == ("pass", 1)
    assert loads_cleared(connection) == [load_id]


def test_events_that_are_counted_but_not_there_stop(connection: Connection) -> None:
    door.load(connection)
    connection.execute(
        "delete from raw.events where message_id = (select min(message_id) from raw.events)"
    )

    assert failed(check_raw(), "(missing_rows)")


def test_events_that_were_erased_are_not_missing(connection: Connection) -> None:
    load_id = door.load(connection, customer_ref="u:2")
    connection.execute("delete from raw.events where customer_ref = 'u:2'")
    connection.execute(
        "insert into privacy.erasures (ref_sha256, rows_erased)"
        " values ('x', jsonb_build_object('loads', jsonb_build_object(%s::text, 1)))",
        (load_id,),
    )

    assert check_raw().verdict == "pass"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"customer_ref": "17"}, "(customer_ref)"),
        ({"event_name": "mystery"}, "(event_name)"),
        ({"occurred_at": door.NOON + timedelta(days=2)}, "(seconds_ahead)"),
        ({"payload": {"properties": {"revenue": -1}}}, "(order_value)"),
    ],
)
def test_one_bad_event_is_found(
    connection: Connection, columns: dict[str, object], words: str
) -> None:
    door.load(connection, **columns)

    verdict = check_raw()

    assert verdict.verdict == ("warn" if "order_value" in words else "stop")
    assert len(verdict.failures) == 1
    assert failed(verdict, words)


@pytest.mark.parametrize("revenue", ["12.50", "", None, {"amount": 1}, "12; drop table"])
def test_amounts_sent_as_text_or_not_at_all_are_no_obstacle(
    connection: Connection, revenue: object
) -> None:
    door.load(connection, payload={"properties": {"revenue": revenue, "products": "none"}})

    assert check_raw().verdict == "pass"


def test_many_events_are_judged_by_the_same_sample_every_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.load(connection, events=400)
    monkeypatch.setattr(check, "SAMPLE_ROWS", 200)

    first, second = check_raw(), check_raw()

    assert first.rows_found == 400
    assert 100 < first.rows_checked < 300
    assert first.rows_checked == second.rows_checked


# features ----------------------------------------------------------------------------------------


def test_good_features_pass(connection: Connection) -> None:
    door.features(connection, as_of=door.AS_OF - timedelta(days=7))
    door.features(connection)

    verdict = check_features()

    assert (verdict.verdict, verdict.subject) == ("pass", "2018-01-02T00:00:00+00:00")
    assert latest_verdict(connection, "features", verdict.subject) == verdict
    assert check_features(door.AS_OF - timedelta(days=7)).verdict == "pass"


def test_features_of_an_instant_that_was_never_built_stop(connection: Connection) -> None:
    door.features(connection)

    verdict = check_features(door.AS_OF + timedelta(days=1))

    assert (verdict.verdict, verdict.rows_checked) == ("stop", 0)
    assert latest_verdict(connection, "features", "2018-01-03T00:00:00+00:00") == verdict


def test_features_before_any_build_stop(connection: Connection) -> None:
    assert check_features().verdict == "stop"
    assert check_features(door.AS_OF).subject == "2018-01-02T00:00:00+00:00"


def test_one_impossible_feature_is_found(connection: Connection) -> None:
    door.features(connection)
    connection.execute(
        "update analytics.customer_features set discount_share_90d = 1.5 where customer_id = 'c3'"
    )

    verdict = check_features()

    assert verdict.verdict == "stop"
    assert verdict.failures == (
        f"expect_column_values_to_be_between (out_of_range): 1 of {len(NAMES)} rows break it:"
        " discount_share_90d [stop]",
    )


@pytest.mark.parametrize(
    "change",
    [
        "alter table analytics.customer_features drop column max_gap_days",
        "alter table analytics.customer_features add column surprise double precision",
        "insert into analytics.customer_features select * from analytics.customer_features limit 1",
        "update analytics.customer_features set order_count_7d = null where customer_id = 'c3'",
        "update analytics.customer_features set order_count_7d = order_count_30d + 1",
    ],
)
def test_features_that_break_the_contract_stop(connection: Connection, change: str) -> None:
    door.features(connection)
    connection.execute(change)

    assert check_features().verdict == "stop"


# scores ------------------------------------------------------------------------------------------


def test_good_scores_pass(connection: Connection) -> None:
    models = [door.model(connection, "purchase"), door.model(connection, "churn")]
    score_set = door.scores(connection, models)

    verdict = check_scores()

    assert (verdict.verdict, verdict.failures) == ("pass", ())
    assert (verdict.subject, verdict.rows_checked) == (str(score_set), 60)
    assert latest_verdict(connection, "scores", str(score_set)) == verdict


def test_the_set_of_the_newest_instant_is_judged(connection: Connection) -> None:
    models = [door.model(connection, "purchase")]
    newest = door.scores(connection, models)
    door.scores(connection, models, as_of=door.AS_OF - timedelta(days=7))

    assert check_scores().subject == str(newest)


@pytest.mark.parametrize("complete", [True, False])
def test_a_set_that_is_not_there_or_not_complete_stops(
    connection: Connection, complete: bool
) -> None:
    number = door.scores(connection, [door.model(connection, "purchase")], complete=False)

    verdict = check_scores(number + 1 if complete else number)

    assert (verdict.verdict, verdict.expected) == ("stop", 0)
    assert failed(verdict, "is not complete")
    assert check_scores().subject == "nothing"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"probability": 1.2}, "(probability)"),
        ({"percentile": -1}, "(percentile)"),
        ({"margin": 0.7502}, "(additivity_error)"),
        ({"margin": float("nan")}, "(additivity_error)"),
        ({"shap_values": [0.25]}, "(contributions_missing)"),
        ({"features_sha256": "none"}, "(features_sha256)"),
        ({"expires_at": door.NOON}, "(lifetime_seconds)"),
    ],
)
def test_a_bad_score_stops(connection: Connection, columns: dict[str, object], words: str) -> None:
    door.scores(connection, [door.model(connection, "purchase")], **columns)

    verdict = check_scores()

    assert verdict.verdict == "stop"
    assert failed(verdict, words)


def test_scores_of_another_instant_stop(connection: Connection) -> None:
    door.scores(connection, [door.model(connection, "purchase")])
    connection.execute(
        "update ml.scores set as_of = as_of + interval '1 day' where customer_id = 'c1'"
    )

    assert failed(check_scores(), "(days_from_set)")


def test_missing_scores_stop(connection: Connection) -> None:
    door.scores(connection, [door.model(connection, "purchase")], records=31)

    assert failed(check_scores(), "(missing_records)")


def test_a_champion_without_scores_is_a_warning(connection: Connection) -> None:
    purchase = door.model(connection, "purchase")
    door.model(connection, "churn")
    door.scores(connection, [purchase])

    verdict = check_scores()

    assert verdict.verdict == "warn"
    assert failed(verdict, "(unscored_champions)")
    verdict.enforce()


@pytest.mark.parametrize(
    ("drift", "setting", "said"),
    [
        ("moved", "block", "pass"),
        ("shifted", "warn", "warn"),
        ("shifted", "block", "stop"),
        ("too few rows", "block", "stop"),
        ("no reference", "warn", "warn"),
        ("no reference", "block", "stop"),
    ],
)
def test_drift_warns_or_blocks_and_what_was_not_compared_is_not_steady(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, drift: str, setting: str, said: str
) -> None:
    set_environment(monkeypatch, drift=setting)
    door.scores(connection, [door.model(connection, "purchase")], drift=drift)

    verdict = check_scores()

    assert verdict.verdict == said
    assert failed(verdict, "(drift): 1 of 1 rows break it: purchase") == (said != "pass")


def test_a_set_whose_drift_nobody_measured_is_no_steady_one(connection: Connection) -> None:
    door.scores(connection, [door.model(connection, "purchase")])
    connection.execute("delete from ml.drift_verdicts")

    assert failed(check_scores(), "(drift)")


def test_base_rates_are_few_and_told(connection: Connection) -> None:
    door.scores(
        connection,
        [door.model(connection, "purchase")],
        probability=0.5,
        percentile=50,
        fallback="the model is too old",
    )

    verdict = check_scores()

    assert verdict.verdict == "warn"
    assert failed(verdict, "(fallback_rows)")
    assert not failed(verdict, "(values_missing)")


def test_numbers_are_written_as_ranges() -> None:
    assert check.ranges([1]) == "1"
    assert check.ranges([1, 2, 3, 5, 8, 9]) == "1-3,5,8-9"
