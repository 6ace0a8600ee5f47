"""A challenger is trained from what was known, stored once, and never from unfit rows."""

import hashlib
from datetime import timedelta

import pytest

from footfall.errors import BadArgument, GateStopped, NotFound, NotReady
from footfall.modelling.models import list_models, model_card_of, model_report
from footfall.modelling.training import labels_to_train, train
from footfall.settings import settings
from ml.catalogue import MODEL_FEATURES
from ml.labels import CHURN
from ml.split import WEEK
from tests.conftest import set_environment
from tests.ml.samples import SNAPSHOTS, snapshots
from tests.modelling.shop import BUILT, CUSTOMERS, NOW


def test_a_challenger_is_stored_with_its_artefact_hash_metrics_report_and_card(shop):
    shop.fill()
    steps = []
    model = train("churn", now=NOW, on_progress=lambda done, total: steps.append((done, total)))
    artefact, sha256, features, state, metrics, trained_at = shop.one(
        "select artefact, sha256, features, state, metrics, trained_at from ml.models"
    )
    assert hashlib.sha256(artefact).hexdigest() == sha256 == model.sha256
    assert model.model_id == f"churn-{BUILT:%Y%m%d}-{sha256[:8]}"
    assert (state, trained_at, len(features)) == ("challenger", NOW, 35)
    assert metrics["auc"] == model.metrics["auc"]
    assert set(metrics["baselines"]) == {"base rate", "logistic regression on RFM"}
    assert model.holdout == SNAPSHOTS[-1]
    assert model.model_id in model_report(model.model_id)
    card = model_card_of(model.model_id)
    assert card["quantitative_analyses"]["overall"]["model"] == model.metrics
    lineage = card["training_data"]["lineage"]
    assert (lineage["builds"], lineage["loads"], lineage["events"]) == (1, 0, 0)
    assert {"int_customer_orders_as_of", "customer_features"} < set(lineage["tables"])
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert model.model_id in model.line()


def test_more_rows_than_memory_is_to_hold_give_the_same_model(shop, monkeypatch):
    shop.fill(snapshots(customers=360))
    near = train("churn", now=NOW)
    set_environment(monkeypatch, train_in_memory_rows=700)
    far = train("churn", now=NOW)
    validated = shop.one("select params from ml.models")[0]["validation"]
    assert far.fitted_rows > len(validated) * 360 > 2 * 700
    assert (far.model_id, far.metrics) == (near.model_id, near.metrics)
    assert list(settings().home.glob("train-*")) == []


def test_a_search_is_recorded_with_every_trial_and_finds_the_same_again(shop, monkeypatch):
    shop.fill()
    steps = []
    found = train(
        "churn", now=NOW, trials=3, on_progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(done, 7) for done in range(1, 8)]
    assert "the best of 3 trials" in found.line()
    params = shop.one("select params from ml.models")[0]
    columns, tried = params["search"]["columns"], params["search"]["tried"]
    best = dict(zip(columns, min(tried, key=lambda row: row[0] or 9.0), strict=True))
    assert len(tried) == 3
    assert best["loss"] == params["search"]["loss"]
    assert all(params[name] == best[name] for name in columns[2:])
    set_environment(monkeypatch, search_trials=3)
    assert train("churn", now=NOW).model_id == found.model_id


def test_no_dask_scheduler_or_gpu_is_one_line(shop, monkeypatch):
    shop.fill()
    set_environment(monkeypatch, device="cuda")
    with pytest.raises(NotReady, match="FOOTFALL_DEVICE=cpu"):
        train("churn", now=NOW)
    set_environment(monkeypatch, device="tpu")
    with pytest.raises(BadArgument, match="FOOTFALL_DEVICE='tpu'.*'cpu' or 'cuda'"):
        train("churn", now=NOW)


def test_the_holdout_is_sliced_by_the_segments_of_its_own_week(shop):
    shop.fill()
    shop.connection.execute(
        "update analytics.customer_rfm set segment = case as_of when %s then 'now' else 'then' end",
        (SNAPSHOTS[-1],),
    )
    shop.connection.execute(
        "delete from analytics.customer_rfm where as_of = %s and customer_id < %s",
        (SNAPSHOTS[-1], f"c{20:020x}"),
    )
    card = model_card_of(train("churn", now=NOW).model_id)
    parts = card["quantitative_analyses"]["slices"]
    found = {part["name"]: part["rows"] for part in parts if part["factor"] == "Segment"}
    assert found == {"now": CUSTOMERS - 20, "all other values": 20}
    assert "Segment" not in card["factors"]["sensitive"]


def test_a_declared_trait_is_not_learnt_from_and_the_champion_is_compared_with(shop, monkeypatch):
    shop.fill()
    champion = shop.model(state="champion", fitted_until=SNAPSHOTS[-2])
    shop.connection.execute(
        "update analytics.dim_customers set traits = jsonb_build_object('town', 'Ulm')"
    )
    set_environment(monkeypatch, sensitive_traits="town, shoe size")
    model = train("churn", now=NOW)
    assert set(shop.one("select features from ml.models order by as_of desc")[0]) == set(
        MODEL_FEATURES
    )
    card = model_card_of(model.model_id)
    assert card["factors"]["sensitive"] == ["shoe size", "town"]
    page = model_report(model.model_id)
    assert f"<code>{champion}</code>" in page
    assert "which neither has learnt from" in page
    with pytest.raises(NotFound, match="before there were model cards: train it again"):
        model_card_of(champion)


def test_trained_twice_is_stored_once(shop):
    shop.fill()
    first = train("churn", now=NOW)
    again = train("churn", now=NOW + timedelta(days=1))
    assert again.model_id == first.model_id
    (listed,) = list_models()
    assert listed.trained_at == NOW


def test_what_was_not_known_by_as_of_changes_nothing(shop):
    shop.fill()
    as_of = BUILT - WEEK
    before = train("churn", as_of, now=NOW)
    shop.connection.execute(
        "update analytics.customer_labels set churned_within_30_days = not churned_within_30_days"
        " where as_of > %s",
        (as_of - CHURN.horizon,),
    )
    shop.connection.execute(
        "update analytics.customer_features set order_count_90d = 0 where as_of > %s",
        (as_of - CHURN.horizon,),
    )
    after = train("churn", as_of, now=NOW)
    assert (after.sha256, after.metrics) == (before.sha256, before.metrics)


def test_who_withdrew_since_is_not_learnt_from(shop):
    shop.fill()
    everyone = train("churn", now=NOW)
    shop.connection.execute(
        "update analytics.dim_customers set is_profilable = false"
        " where customer_id in (select min(customer_id) from analytics.dim_customers)"
    )
    fewer = train("churn", now=NOW)
    weeks = everyone.fitted_rows // CUSTOMERS
    assert fewer.fitted_rows == everyone.fitted_rows - weeks
    assert fewer.metrics["rows"] == CUSTOMERS - 1


def test_rows_that_break_a_rule_stop_the_training(shop):
    frame = snapshots(customers=CUSTOMERS)
    frame.loc[5, "discount_share_90d"] = 7.0
    shop.fill(frame)
    with pytest.raises(GateStopped, match="discount_share_90d"):
        train("churn", now=NOW)
    assert list_models() == []


def test_a_single_class_is_refused_in_one_line(shop):
    shop.fill(snapshots(customers=CUSTOMERS).assign(label=0.0))
    with pytest.raises(
        NotReady, match=r"churn cannot be trained: .* 0 of them positives"
    ) as refused:
        train("churn", now=NOW)
    assert "\n" not in str(refused.value)


def test_a_short_history_is_refused(shop):
    shop.fill()
    with pytest.raises(NotReady, match="weekly snapshots leave"):
        train("churn", SNAPSHOTS[3], now=NOW)


def test_an_instant_beyond_the_build_is_refused_with_the_remedy(shop):
    shop.fill()
    with pytest.raises(NotReady, match="footfall build --as-of"):
        train("churn", BUILT + WEEK, now=NOW)


def test_before_a_build_there_is_nothing_to_learn(database):
    with pytest.raises(NotReady, match="footfall build"):
        train("churn", now=NOW)


def test_an_unknown_model_is_a_bad_argument(shop):
    with pytest.raises(BadArgument, match="churn, discount, purchase"):
        train("fraud", now=NOW)


def test_a_regular_training_is_of_the_first_labels_and_whatever_has_a_champion(shop):
    assert labels_to_train(None) == ["purchase", "churn"]
    assert labels_to_train(None, ["value"]) == ["value"]
    assert labels_to_train(["churn"], ["value"]) == ["churn"]
    shop.model("churn", state="champion")
    shop.connection.execute("update ml.models set name = 'value'")
    assert labels_to_train(None) == ["purchase", "churn", "value"]
    with pytest.raises(BadArgument, match="there is no model 'nobody'"):
        labels_to_train(["nobody"])


def test_a_feature_the_warehouse_lacks_is_named(shop):
    shop.fill()
    shop.connection.execute("alter table analytics.customer_features drop column last_order_value")
    with pytest.raises(NotReady, match="last_order_value"):
        train("churn", now=NOW)
