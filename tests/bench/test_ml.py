"""The section ``ml`` of the bench: its parts at their smallest."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from bench import ml, oracle, shoppers, training
from bench.peers import grow
from bench.process import NotMeasured
from footfall.settings import ROOT

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)


def sessions(count: int) -> pd.DataFrame:
    """Return sessions with the columns of the data set, a page's value telling who buys."""
    chance = np.random.default_rng(1)
    value = chance.exponential(size=count)
    kinds = {name: chance.choice(["a", "b"], size=count) for name in shoppers.KINDS}
    buys = value + 0.5 * chance.normal(size=count) > 1.5
    return pd.DataFrame({**kinds, "PageValues": value, "Duration": value[::-1], "Revenue": buys})


def test_every_part_is_described():
    page = (ROOT / "docs" / "bench.md").read_text()
    assert [part for part in ml.PARTS if f"### `--part {part}`" not in page] == []


def test_each_session_is_judged_by_trees_that_have_not_seen_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shoppers, "ROUNDS", 20)
    file = tmp_path / "sessions.csv.gz"
    sessions(1_000).to_csv(file, index=False)
    whole, without = shoppers.measure(file, say=lambda text: None)
    assert whole.metrics.rows == without.metrics.rows == 1_000
    assert whole.metrics.auc > 0.9
    assert without.metrics.auc < 0.65


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(NotMeasured, match=r"other\.csv has no column Month"):
        shoppers.measure(file, say=lambda text: None)
    with pytest.raises(NotMeasured, match="--online-shoppers FILE"):
        shoppers.measure(None, say=lambda text: None)


def test_the_oracle_knows_who_has_left_and_whose_device_it_is():
    person = {"visits_per_day": 2.0, "buys_per_visit": 0.5, "anonymous_ids": ["d1"]}
    people = [
        {**person, "user_id": "u1", "churned_at": None},
        {**person, "user_id": "u2", "churned_at": "2024-05-01T00:00:00+00:00"},
        {**person, "user_id": None, "churned_at": "2024-06-10T00:00:00+00:00"},
    ]
    owners = {("user", "u1"): "c1", ("user", "u2"): "c2", ("anonymous", "d1"): "c3"}
    rates = oracle.order_rates(people, owners, AS_OF)
    # all three use the device: one comes, one has left, one is about to
    assert rates == {"c1": 1.0, "c2": 0.0, "c3": 1.5}
    frame = pd.DataFrame({"customer_id": ["c1", "c2", "c4"], "label": [1.0, 0.0, 0.0]})
    assert oracle.auc_of_rates(frame, rates, ordering=True) == 1.0
    assert oracle.auc_of_rates(frame, rates, ordering=False) == 0.0


def test_a_device_on_which_somebody_signed_in_is_theirs_alone():
    person = {"visits_per_day": 2.0, "buys_per_visit": 0.5, "churned_at": None}
    people = [{**person, "user_id": name, "anonymous_ids": ["d1"]} for name in (None, "u2")]
    owners = {("anonymous", "d1"): "c2", ("user", "u2"): "c2"}
    assert oracle.order_rates(people, owners, AS_OF) == {"c2": 1.0}


def test_who_leaves_within_three_weeks_comes_half_as_often():
    person = {"visits_per_day": 2.0, "buys_per_visit": 0.5, "anonymous_ids": []}
    people = [
        {**person, "user_id": f"u{days}", "churned_at": (AS_OF + timedelta(days)).isoformat()}
        for days in (0, 20, 21)
    ]
    owners = {("user", f"u{days}"): f"c{days}" for days in (0, 20, 21)}
    assert oracle.order_rates(people, owners, AS_OF) == {"c0": 0.0, "c20": 0.5, "c21": 1.0}


def test_a_part_that_cannot_be_measured_says_why_and_the_next_one_runs(tmp_path, capsys):
    asked = ml.Asked(
        rounds=1,
        rows=1,
        customers=1,
        with_peers=False,
        online_shoppers=None,
        folder=tmp_path,
        say=lambda text: None,
    )
    ml.measure(["shoppers", "shoppers"], asked)
    assert capsys.readouterr().out.count("shoppers: give the data set's CSV with") == 2


@pytest.mark.parametrize("library", ["ml.train.fit", "xgboost", "scikit-learn"])
def test_each_grower_learns_the_same_rows(library):
    values, labels = training.made_up(3_000)
    task = {"trees": 30, "depth": 4, "threads": 1}
    scores = np.asarray(grow.GROWERS[library](task, values[:2_000], labels[:2_000])(values[2_000:]))
    found = grow.auc(labels[2_000:], scores)
    assert found > 0.75
    assert found == pytest.approx(roc_auc_score(labels[2_000:], scores))
