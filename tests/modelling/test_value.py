"""A model of amounts goes the way of the others: trained, promoted, scored, explained, replaced."""

import json
import re
from datetime import timedelta

import numpy as np
import psycopg
import pytest
from psycopg import sql

from footfall.gates.check import check_scores
from footfall.modelling.drifting import newest_drift
from footfall.modelling.explaining import explain
from footfall.modelling.models import list_models, model_report
from footfall.modelling.promotion import promote_if_better
from footfall.modelling.scoring import score
from footfall.modelling.training import train
from footfall.warehouse.features import read_labelled
from ml.kinds import CLASSIC
from ml.lifetime_value import SUMMARY
from tests.conftest import set_environment
from tests.ml.samples import VALUE, VALUE_SNAPSHOTS, VALUE_SPLIT, spendings
from tests.modelling.shop import CUSTOMERS, NOW

AS_OF = VALUE_SNAPSHOTS[-1] + VALUE.horizon


@pytest.fixture
def spent(shop):
    """Give a shop whose customers' amounts are known, and features of the instant they end."""
    frame = spendings([*VALUE_SNAPSHOTS, AS_OF], customers=CUSTOMERS)
    shop.connection.execute(
        "alter table analytics.customer_features add lifetime_order_count float not null default 1;"
        "alter table analytics.customer_labels add net_revenue_within_90_days numeric(38, 2);"
        "create table analytics.customer_repeat_summary (customer_id text, as_of timestamptz,"
        " repeat_days integer, recency_days integer, age_days integer,"
        " mean_repeat_value numeric(38, 6), primary key (as_of, customer_id))"
    )
    amounts = frame["label"]
    shop.fill(frame.assign(label=1.0))
    shop.build(AS_OF)
    with shop.connection.cursor() as cursor:
        cursor.executemany(
            "update analytics.customer_labels set net_revenue_within_90_days = %s"
            " where as_of = %s and customer_id = %s",
            [
                (None if as_of == AS_OF else amount, as_of, customer)
                for amount, as_of, customer in zip(
                    amounts, frame["as_of"], frame["customer_id"], strict=True
                )
            ],
        )
    whole = frame.astype({name: int for name in SUMMARY[:3]})
    shop._copy("customer_repeat_summary", ["customer_id", "as_of", *SUMMARY], whole)
    shop.pass_features(AS_OF)
    return shop


def test_value_goes_the_whole_way_beside_a_model_of_classes(spent, monkeypatch):
    model = train("value", AS_OF, now=NOW)
    assert model.refused == []
    assert "Gini" in model.line()
    assert CLASSIC in model.baselines
    assert CLASSIC in model_report(model.model_id)
    assert [one.line().split()[2] for one in list_models()] == ["Gini"]
    assert promote_if_better(model.model_id, now=NOW, actor="test").promoted
    churn = spent.model("churn", state="champion", fitted_until=AS_OF - timedelta(days=10))

    done = score(AS_OF, now=NOW)
    assert set(done.model_ids) == {model.model_id, churn}
    rows = spent.connection.execute(
        "select probability, amount, percentile, margin, base_value + (select sum(part) from"
        " unnest(shap_values) as part), reasons from ml.scores where model_id = %s",
        (model.model_id,),
    ).fetchall()
    assert len(rows) == CUSTOMERS
    (unit,) = spent.one(
        "select ln((params ->> 'unit')::float8) from ml.models where name = 'value'"
    )
    for probability, amount, percentile, margin, parts, reasons in rows:
        assert probability is None
        assert amount == pytest.approx(np.exp(margin + unit))
        assert 0 < percentile < 100
        assert abs(parts - margin) <= 1e-4
        assert {reason["effect"] for reason in reasons} <= {VALUE.more, VALUE.less}
    assert check_scores(done.score_set).verdict in ("pass", "warn")
    again = score(AS_OF, now=NOW + timedelta(hours=1))
    assert (again.explained, again.kept) == (0, again.records)

    told = explain("user-3", model="value")
    assert told.probability is None
    assert f"brings in within 90 days: {told.amount:,.2f}, higher than" in told.as_text()
    assert "amount, in the shop’s currency, that this customer brings in" in told.as_html()
    assert json.loads(json.dumps(told.as_dict()))["amount"] == told.amount
    assert explain("user-3").model_name == "churn"
    (drift,) = [row for row in newest_drift() if row.name == "value"]
    assert drift.score is not None
    assert drift.verdict in ("steady", "moved", "shifted")

    set_environment(monkeypatch, model_max_age_days=1)
    old = score(AS_OF, now=NOW + timedelta(hours=2), anew=True)
    assert model.model_id in old.fallback
    base = spent.connection.execute(
        "select distinct amount, reasons -> 0 ->> 'text' from ml.scores"
        " where score_set = %s and model_id = %s",
        (old.score_set, model.model_id),
    ).fetchall()
    assert 1 <= len(base) <= 2  # segments
    assert all(f"{amount:,.2f} each of " in text for amount, text in base)
    holdout = read_labelled(spent.connection, VALUE, [VALUE_SPLIT.holdout], ["order_count_90d"])
    assert min(amount for amount, _ in base) <= holdout["label"].mean()

    spent.connection.execute(
        "insert into ml.models (model_id, name, trained_at, as_of, sha256, params, metrics,"
        " features, state, artefact, calibration) select 'value-twin', name, trained_at, as_of,"
        " sha256, params, metrics, features, 'challenger', artefact, calibration from ml.models"
        " where name = 'value'"
    )
    judged = promote_if_better("value-twin", now=NOW, actor="test")
    assert not judged.promoted
    assert re.match(r"Tweedie deviance \S+ is not below the champion's", judged.reason)


def test_a_score_is_a_probability_or_an_amount_and_never_both_or_none(spent):
    model_id = spent.model("churn", state="champion", fitted_until=AS_OF - timedelta(days=10))
    done = score(AS_OF, now=NOW)
    for change in ("amount = 1", "probability = null", "probability = null, amount = -1"):
        with pytest.raises(psycopg.errors.CheckViolation):
            spent.connection.execute(
                sql.SQL("update ml.scores set {} where score_set = %s and model_id = %s").format(
                    sql.SQL(change)
                ),
                (done.score_set, model_id),
            )
