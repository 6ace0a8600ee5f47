"""A model of amounts learns sums of money, is checked as one, and its bytes are the same again."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_tweedie_deviance

from ml.amount_checks import calibrated, unbiased
from ml.amount_drift import amount_drift
from ml.amounts import deviances, evaluate_amounts, gini, gini_error
from ml.audit import audit_report
from ml.catalogue import MODEL_FEATURES
from ml.changes import Former, changes
from ml.checks import no_slice_is_worse
from ml.errors import TooFewRows
from ml.evaluate import lift
from ml.explain import contributions
from ml.kinds import AS_BEFORE, CLASSIC, KINDS, MEAN
from ml.learn import Learnt, learn
from ml.lifetime_value import SUMMARY, expected_revenue
from ml.model_card import card_markdown, model_card
from ml.promote import decide, gain
from ml.rows import rows_of
from ml.slices import amount_slices
from ml.train import Params, Sample, from_bytes
from tests.ml.samples import VALUE, VALUE_SPLIT, evidence, spendings

KIND = KINDS["amount"]
PLANTED = "product_view_count_7d"  # 0 for everybody in the samples


def trained(frame) -> tuple[Learnt, Params]:
    labels = frame["label"][frame["as_of"].isin(VALUE_SPLIT.fitted)].to_numpy()
    params = KIND.params(Params(most_rounds=60, patience=10), labels)
    return learn(frame, VALUE_SPLIT, MODEL_FEATURES, params, label=VALUE), params


def failed(learnt: Learnt) -> dict[str, str]:
    return {check.name: check.detail for check in learnt.checks if not check.passed}


@pytest.fixture(scope="module")
def frame():
    return spendings()


@pytest.fixture(scope="module")
def learnt(frame):
    return trained(frame)[0]


def test_an_honest_model_passes_every_check_and_beats_the_mean_and_the_classic(learnt):
    assert failed(learnt) == {}
    assert len(learnt.checks) == len({check.name for check in learnt.checks}) == 13
    assert set(learnt.baselines) == {CLASSIC, AS_BEFORE, MEAN}
    for name in (CLASSIC, MEAN):
        assert learnt.metrics.deviance < learnt.baselines[name].deviance
        assert learnt.metrics.gini > learnt.baselines[name].gini
    assert learnt.baselines[MEAN].gini == pytest.approx(0.0, abs=1e-12)


def test_the_same_rows_give_the_same_bytes_and_what_comes_later_changes_nothing(frame, learnt):
    assert trained(frame)[0].sha256 == learnt.sha256
    later = frame.copy()
    later.loc[later["as_of"] == VALUE_SPLIT.holdout, "label"] *= 3.0
    between = ~later["as_of"].isin(VALUE_SPLIT.all)
    assert between.any()
    later.loc[between, "label"] = 1e6
    other, _ = trained(later)
    assert other.sha256 == learnt.sha256
    assert other.metrics != learnt.metrics
    assert "unbiased" in failed(other)


def test_where_weeks_are_shared_no_customer_is_and_the_model_learns_from_all(frame, learnt):
    assert VALUE_SPLIT.by_customers
    rows = rows_of([frame], MODEL_FEATURES)
    train, validation = rows.fold(VALUE_SPLIT)
    assert not train.halves.any()
    assert validation.halves.all()
    assert len(train.labels) + len(validation.labels) == learnt.fitted_rows
    weeks = rows.weeks(VALUE_SPLIT)
    assert [as_of for as_of, _ in weeks] == list(VALUE_SPLIT.validation[1::2])
    assert all(week.halves.all() for _, week in weeks)


def test_another_currency_gives_the_same_trees_and_other_amounts(frame, learnt):
    yen, _ = trained(frame.assign(label=frame["label"] * 128.0))
    assert yen.artefact == learnt.artefact
    assert np.allclose(yen.predictions, 128.0 * learnt.predictions, rtol=1e-9)


def test_contributions_add_up_to_the_logarithm_of_the_amount(learnt):
    found = contributions(from_bytes(learnt.artefact), learnt.holdout.values, MODEL_FEATURES)
    sums = found.base_value + found.shap_values.sum(axis=1)
    assert np.abs(sums - found.margins).max() <= 1e-4
    unit = np.log(learnt.params.unit)
    assert np.allclose(np.log(learnt.predictions), found.margins + unit)
    assert (learnt.predictions > 0.0).all()


def test_a_label_copied_into_a_feature_is_found_by_name(frame):
    told = failed(trained(frame.assign(**{PLANTED: -frame["label"]}))[0])
    assert told["no_feature_knows_the_answer"].startswith(f"{PLANTED} alone has a Gini of 1.000")


def test_shuffled_amounts_are_refused(frame):
    chance = np.random.default_rng(4)
    shuffled = frame.groupby("as_of")["label"].transform(chance.permutation)
    told = failed(trained(frame.assign(label=shuffled))[0])
    assert "do not belong together" in told["better_than_the_mean"]


def test_too_few_who_pay_are_refused_before_anything_is_learnt(frame):
    few = frame["label"].where(frame["customer_id"] == frame["customer_id"].min(), 0.0)
    with pytest.raises(TooFewRows, match="with an amount"):
        trained(frame.assign(label=few))


def test_report_and_card_speak_of_money_and_of_both_baselines(frame, learnt):
    params = learnt.params
    former = Former(
        model_id="value-20170901-89abcdef",
        as_of=VALUE_SPLIT.holdout,
        fitted_until=VALUE_SPLIT.holdout,
        fitted_rows=2_000,
        features=MODEL_FEATURES,
        params=params.as_dict(),
        calibration=learnt.calibration,
        artefact=learnt.artefact,
    )
    told = evidence(learnt, params, model_id="value-20171229-1", label=VALUE, split=VALUE_SPLIT)
    changed = changes(
        former,
        holdout=learnt.holdout,
        holdout_at=VALUE_SPLIT.holdout,
        predictions=learnt.predictions,
        shap_values=learnt.shap_values,
        params=params.as_dict(),
        fitted_rows=learnt.fitted_rows,
        kind=KIND,
    )
    page = re.sub(r'src="[^"]*"', "", audit_report(dataclasses.replace(told, changes=changed)))
    for words in (
        CLASSIC,
        "Gini",
        "log amount",
        "Tweedie deviance is lower by 0.0000",
        "customers",
    ):
        assert words in page
    for words in ("log-odds", "probability", "AUC"):
        assert words not in page
    assert page.count("<img") == 2 + 2 + 6 + 1
    card = model_card(told)
    assert card["quantitative_analyses"]["overall"]["model"] == learnt.metrics.as_dict()
    text = card_markdown(card)
    assert f"| {CLASSIC} |" in text
    assert "short for two gaps" in text


def test_a_challenger_is_compared_by_the_deviance(learnt):
    labels, ours = learnt.holdout.labels, learnt.predictions
    worse = np.full(len(labels), labels.mean())
    metrics, others = (evaluate_amounts(labels, amounts) for amounts in (ours, worse))
    gained = gain(labels, ours, worse, losses=KIND.yardstick.losses)
    assert gained.mean == pytest.approx(others.deviance - metrics.deviance)
    won = decide(metrics, others, gained, by=KIND.yardstick)
    assert won.promoted
    assert won.reason.startswith("Tweedie deviance")
    back = gain(labels, worse, ours, losses=KIND.yardstick.losses)
    assert not decide(others, metrics, back, by=KIND.yardstick).promoted


def test_the_measures_are_those_of_their_formulas():
    chance = np.random.default_rng(5)
    labels = np.where(chance.random(400) < 0.4, 0.0, chance.gamma(2.0, 50.0, 400))
    amounts = chance.gamma(2.0, 40.0, 400)
    expected = mean_tweedie_deviance(labels, amounts, power=1.5)
    assert deviances(labels, amounts).mean() == pytest.approx(expected)
    assert gini(labels, -labels) < 0.0
    random = [gini(labels, chance.random(400)) for _ in range(400)]
    assert np.std(random) == pytest.approx(gini_error(labels), rel=0.15)
    assert lift(labels, labels, share=0.1) == pytest.approx(
        np.sort(labels)[-40:].sum() / labels.sum() * 10
    )


def test_right_amounts_are_unbiased_and_wrong_ones_are_not():
    chance = np.random.default_rng(6)
    truth = chance.gamma(2.0, 50.0, 4_000)
    labels = truth * chance.gamma(2.0, 0.5, 4_000)
    for check in (unbiased, calibrated):
        assert check(labels, truth).passed
        assert not check(labels, 1.6 * truth).passed
    holdout = holdout_of(labels, truth)
    assert no_slice_is_worse(amount_slices(*holdout, truth)).passed
    rare = holdout[0].values[:, MODEL_FEATURES.index("order_count_90d")] == 0.0
    worse = no_slice_is_worse(amount_slices(*holdout, np.where(rare, 2.0 * truth, truth)))
    assert not worse.passed
    assert "bias of Orders in 90 days 'none'" in worse.detail


def holdout_of(labels, truth):
    """Return a holdout of these labels, a tenth of whom have no order, and no factors."""
    values = np.zeros((len(labels), len(MODEL_FEATURES)))
    orders = np.where(np.arange(len(labels)) % 10 == 0, 0.0, 5.0)
    values[:, MODEL_FEATURES.index("order_count_90d")] = orders
    values[:, MODEL_FEATURES.index("net_revenue_90d")] = truth
    return Sample(values, labels, MODEL_FEATURES), pd.DataFrame(index=range(len(labels)))


def test_what_came_in_is_compared_with_what_was_predicted():
    chance = np.random.default_rng(7)
    amounts = chance.gamma(2.0, 50.0, 900)
    labels = amounts * chance.gamma(2.0, 0.5, 900)
    assert amount_drift(labels, amounts).reading == "steady"
    assert amount_drift(1.35 * labels, amounts).reading == "moved"
    assert amount_drift(labels, 2.0 * amounts).reading == "shifted"
    with pytest.raises(TooFewRows):
        amount_drift(labels[:40], amounts[:40])


def test_the_classic_expects_more_of_who_came_often_and_lately(frame):
    week = frame[frame["as_of"] == VALUE_SPLIT.fitted[-1]]
    asked = (
        week[list(SUMMARY)]
        .head(3)
        .assign(
            repeat_days=[20.0, 20.0, 0.0],
            recency_days=[98.0, 40.0, 0.0],
            age_days=100.0,
            mean_repeat_value=[50.0, 50.0, 0.0],
        )
    )
    often, gone, once = expected_revenue(week, asked, days=90)
    assert often > gone > 0.0
    assert often > once > 0.0
    nobody = week[list(SUMMARY)].assign(repeat_days=0.0, recency_days=0.0, mean_repeat_value=0.0)
    assert expected_revenue(nobody, asked, days=90) is None
