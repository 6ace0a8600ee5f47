"""Drift is measured with each score set, asks for training once, and old knowledge is no score."""

from datetime import timedelta

import pytest

from footfall.gates.check import check_scores
from footfall.modelling.drifting import newest_drift, training_due
from footfall.modelling.explaining import explain
from footfall.modelling.fallback import LEAST_CUSTOMERS
from footfall.modelling.scoring import score
from ml.labels import CHURN
from ml.split import WEEK
from tests.conftest import set_environment
from tests.ml.samples import SNAPSHOTS
from tests.modelling.shop import CUSTOMERS, NOW

AS_OF = SNAPSHOTS[-1]
EARLIER = AS_OF - 5 * WEEK


@pytest.fixture
def ready(shop):
    """Give a shop with a champion for churn that was judged two months before the newest week."""
    shop.fill()
    shop.model("churn", state="champion", holdout=AS_OF - 8 * WEEK, fitted_until=EARLIER)
    shop.pass_features(AS_OF)
    shop.pass_features(EARLIER)
    return shop


def shift(shop, as_of=AS_OF):
    shop.connection.execute(
        "update analytics.customer_features set order_count_90d = 9 * order_count_90d,"
        " days_since_last_order = days_since_last_order / 9 where as_of = %s",
        (as_of,),
    )


def test_a_steady_shop_is_steady(ready):
    done = score(now=NOW)
    (found,) = newest_drift()
    assert done.drift == {found.model_id: "steady"}
    assert (found.rows, found.moved, found.label) == (CUSTOMERS, [], None)
    assert len(found.features) == 35
    assert "; drift" not in done.line()
    assert training_due(done.score_set) is None


def test_a_shift_is_told_at_the_gate_and_asks_for_training_once(ready, monkeypatch):
    shift(ready)
    done, again = score(now=NOW), score(now=NOW)
    (found,) = newest_drift()
    assert done.drift == again.drift == {found.model_id: "shifted"}
    assert set(found.moved) >= {"order_count_90d", "days_since_last_order"}
    assert "shifted, see: footfall drift" in done.line()
    assert "order_count_90d (PSI" in found.line()
    assert check_scores().verdict == "warn"
    set_environment(monkeypatch, drift="block")
    assert check_scores().verdict == "stop"
    due = training_due(done.score_set)
    assert due is not None
    assert due.names == ("churn",)
    assert training_due(done.score_set) == due  # a task that runs twice
    assert training_due(again.score_set) is None  # the same week
    ready.connection.execute("delete from ml.trainings_due")
    ready.model("churn", honest=False, holdout=AS_OF)
    assert training_due(again.score_set) is None  # nothing newer to be judged on


def test_a_model_that_kept_no_reference_is_never_steady(ready):
    ready.connection.execute("update ml.models set reference = null")
    (word,) = score(now=NOW).drift.values()
    assert word == "no reference"
    assert "footfall train churn" in newest_drift()[0].line()
    assert check_scores().verdict == "warn"


def test_too_few_customers_are_not_steady(ready):
    ready.connection.execute(
        "update analytics.dim_customers set is_profilable = customer_id < %s", (f"c{40:020x}",)
    )
    assert set(score(now=NOW).drift.values()) == {"too few rows"}


def test_what_happened_is_compared_with_what_was_predicted(ready):
    score(EARLIER, now=NOW)
    score(now=NOW)
    label = newest_drift()[0].label
    assert label is not None
    assert (label["as_of"], label["rows"]) == (EARLIER.isoformat(), CUSTOMERS)
    assert 0.5 < label["auc"] < 1.0
    ready.connection.execute(
        "update analytics.customer_labels set churned_within_30_days = true where as_of = %s",
        (EARLIER,),
    )
    assert set(score(now=NOW).drift.values()) == {"shifted"}
    label = newest_drift()[0].label
    assert (label["observed"], label["auc"]) == (1.0, None)


def test_too_old_a_model_gives_way_to_base_rates_unless_its_labels_confirm_it(ready, monkeypatch):
    score(EARLIER, now=NOW)
    ready.connection.execute(
        "update ml.models set params = jsonb_set(params, '{fitted_until}', %s)",
        (f'"{(AS_OF - timedelta(days=61)).isoformat()}"',),
    )
    assert score(now=NOW).fallback == {}  # confirmed five weeks ago
    ready.connection.execute("delete from ml.score_sets")
    done = score(now=NOW)
    (why,) = done.fallback.values()
    assert why == "the model knows labels until 2017-06-26 only, 61 days before 2017-08-26"
    assert why in done.line()
    rows = ready.connection.execute(
        "select segment, array_agg(distinct probability), count(*), min(fallback), max(fallback)"
        " from ml.scores join analytics.customer_rfm using (customer_id, as_of) group by segment"
    ).fetchall()
    assert sum(count for _, _, count, _, _ in rows) == CUSTOMERS
    known = SNAPSHOTS[SNAPSHOTS.index(AS_OF) - 5]  # the newest whose 30 days were over
    counted = ready.connection.execute(
        "select segment, count(*) filter (where churned_within_30_days), count(*)"
        " from analytics.customer_labels join analytics.customer_rfm using (customer_id, as_of)"
        " where as_of = %s group by rollup (segment)",
        (known,),
    ).fetchall()
    labels = {segment: (happened, customers) for segment, happened, customers in counted}
    assert labels["lost"][1] < LEAST_CUSTOMERS < labels["loyal"][1]
    for segment, rates, _, first, last in rows:
        happened, customers = labels["loyal" if segment == "loyal" else None]  # None: of all
        assert rates == [pytest.approx((happened + 0.5) / (customers + 1))]
        assert first == last == why
    assert known + CHURN.horizon <= AS_OF
    verdict = check_scores()
    assert verdict.verdict == "warn"
    assert any("(fallback_rows)" in failure for failure in verdict.failures)
    told = explain("user-3")
    assert (told.fallback, told.margin) == (why, told.base_value)
    assert f"no model's score: {why}" in told.as_text()
    assert why in told.as_html()
    set_environment(monkeypatch, model_max_age_days=61)
    assert score(now=NOW).fallback == {}


def test_features_are_too_old_when_newer_events_wait_for_a_build(ready):
    def load(at):
        return ready.one(
            "insert into raw.loads (cluster_id, started_at, records_read, stored, duplicates,"
            " rejected, offset_ranges, newest_event_at) values ('k', %s, 1, 1, 0, 0, '[]', %s)"
            " returning load_id",
            NOW,
            at,
        )

    load(AS_OF + timedelta(hours=48))
    assert score(now=NOW).fallback == {}
    (late,) = load(AS_OF + timedelta(hours=49))
    (why,) = score(now=NOW).fallback.values()
    assert "49 hours behind the newest event" in why
    assert score(EARLIER, now=NOW).fallback == {}  # the past on purpose
    ready.connection.execute("insert into ops.build_loads values (1, %s)", (late,))
    assert score(now=NOW).fallback == {}  # built as of an earlier instant on purpose
