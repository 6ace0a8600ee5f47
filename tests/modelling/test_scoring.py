"""A score set is whole, checked, explained, and knows nothing of the future."""

import json
import re
from datetime import timedelta

import numpy as np
import psycopg
import pytest

from footfall.errors import GateStopped, NotFound, NotReady
from footfall.modelling import models as modelling_models
from footfall.modelling import scoring
from footfall.modelling.explaining import explain
from footfall.modelling.scoring import score
from ml.catalogue import MODEL_FEATURES
from ml.features import fingerprints
from tests.ml.samples import SNAPSHOTS, snapshots
from tests.modelling.shop import CUSTOMERS, NOW

AS_OF = SNAPSHOTS[-1]
NOBODY = f"c{0:020x}"


@pytest.fixture
def scored(shop):
    """Give a shop with both champions, whose newest features may pass."""
    shop.fill()
    for name in ("churn", "purchase"):
        shop.model(name, state="champion")
    shop.pass_features(AS_OF)
    return shop


def test_every_champion_scores_its_population_under_one_set(scored):
    scored.connection.execute(
        "update analytics.customer_features set order_count_90d = 0, order_count_30d = 0"
        " where customer_id = %s",
        (NOBODY,),
    )
    done = score(now=NOW)
    counts = dict(
        scored.connection.execute(
            "select name, count(*) from ml.scores join ml.models using (model_id) group by name"
        ).fetchall()
    )
    assert counts == {"churn": CUSTOMERS - 1, "purchase": CUSTOMERS}
    assert done.records == sum(counts.values())
    assert scored.one(
        "select as_of, records, completed_at, model_ids from ml.score_sets where score_set = %s",
        done.score_set,
    ) == (AS_OF, done.records, NOW, list(done.model_ids))


def test_every_row_adds_up_and_carries_what_explains_it(scored, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 40)
    score(now=NOW)
    rows = scored.connection.execute(
        "select margin, base_value, shap_values, feature_values, features_sha256, probability,"
        " percentile, scored_at, expires_at, reasons from ml.scores"
    ).fetchall()
    assert len(rows) == 2 * CUSTOMERS
    for margin, base, parts, values, sha256, probability, percentile, at, until, reasons in rows:
        assert abs(base + sum(parts) - margin) <= 1e-4
        known = np.array([[np.nan if value is None else value for value in values]])
        assert fingerprints(known, MODEL_FEATURES) == [sha256]
        assert 0 < probability < 1
        assert 0 < percentile < 100
        assert (at, until) == (NOW, NOW + timedelta(hours=48))
        assert len(reasons) <= 3


def test_chunks_change_nothing(scored, monkeypatch):
    query = (
        "select model_id, customer_id, probability, percentile, shap_values from ml.scores"
        " where score_set = %s order by 1, 2"
    )
    whole = score(now=NOW)
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 7)
    parts = score(now=NOW, anew=True)
    ask = scored.connection.execute
    assert ask(query, (whole.score_set,)).fetchall() == ask(query, (parts.score_set,)).fetchall()


def _rows(shop, score_set):
    return shop.connection.execute(
        "select model_id, customer_id, as_of, probability, percentile, margin, base_value,"
        " shap_values, feature_values, reasons, features_sha256, scored_at, expires_at"
        " from ml.scores where score_set = %s order by 1, 2",
        (score_set,),
    ).fetchall()


def test_only_who_changed_is_explained_and_the_set_equals_one_made_anew(scored, monkeypatch):
    monkeypatch.setattr(scoring, "CHUNK_ROWS", 40)
    first = score(now=NOW)
    assert (first.explained, first.kept) == (2 * CUSTOMERS, 0)
    changed = [f"c{number:020x}" for number in (3, 77)]
    scored.connection.execute(
        "update analytics.customer_features set order_count_90d = order_count_90d + 9"
        " where customer_id = any(%s)",
        (changed,),
    )
    withdrawn, erased, altered = (f"c{number:020x}" for number in (5, 6, 7))
    scored.connection.execute(
        "update analytics.dim_customers set is_profilable = false where customer_id = %s",
        (withdrawn,),
    )
    scored.connection.execute("delete from ml.scores where customer_id = %s", (erased,))
    scored.connection.execute(
        "update ml.scores set shap_values[1] = 9 where customer_id = %s", (altered,)
    )
    later = NOW + timedelta(hours=1)
    second = score(now=later)
    assert second.records == 2 * (CUSTOMERS - 1)
    assert (second.explained, second.kept) == (8, second.records - 8)
    anew = score(now=later, anew=True)
    assert (anew.explained, anew.kept) == (second.records, 0)
    assert _rows(scored, second.score_set) == _rows(scored, anew.score_set)
    third = score(now=later)
    assert (third.explained, third.kept) == (0, second.records)
    assert _rows(scored, third.score_set) == _rows(scored, anew.score_set)


def test_another_model_keeps_nothing_of_the_one_before(scored):
    score(now=NOW)
    scored.connection.execute("update ml.models set state = 'retired' where name = 'churn'")
    scored.model(honest=False, state="champion")
    done = score(now=NOW)
    assert (done.explained, done.kept) == (CUSTOMERS, CUSTOMERS)


def test_unchecked_features_are_not_scored(scored):
    scored.connection.execute("delete from ops.gate_verdicts")
    with pytest.raises(NotReady, match="footfall gate features"):
        score(AS_OF, now=NOW)


def test_stopped_features_are_not_scored(scored):
    scored.pass_features(AS_OF, "stop")
    with pytest.raises(GateStopped):
        score(AS_OF, now=NOW)
    assert scored.one("select count(*) from ml.score_sets") == (0,)


def test_a_champion_does_not_score_what_it_learnt_the_future_of(scored):
    scored.connection.execute(
        "update ml.models set params = jsonb_set(params, '{fitted_until}', %s)"
        " where name = 'purchase'",
        (f'"{(AS_OF + timedelta(days=1)).isoformat()}"',),
    )
    done = score(now=NOW)
    assert [model_id.split("-")[0] for model_id in done.model_ids] == ["churn"]
    assert [model_id.split("-")[0] for model_id in done.left_out] == ["purchase"]
    shop_knows = SNAPSHOTS[2]
    scored.pass_features(shop_knows)
    with pytest.raises(NotReady, match="no champion may score as of"):
        score(shop_knows, now=NOW)


def test_a_champion_whose_label_is_gone_is_left_out_and_explains_nothing(scored):
    score(now=NOW)
    scored.connection.execute("update ml.models set name = 'lapse' where name = 'churn'")
    left_out = score(now=NOW).left_out
    assert list(left_out.values()) == [
        "predicts a label that is gone; put ml/labels/lapse.yml back"
    ]
    with pytest.raises(NotReady, match="put ml/labels/lapse.yml back"):
        explain(NOBODY, model="lapse")


def test_without_a_champion_nothing_is_scored(shop):
    shop.fill()
    shop.pass_features(AS_OF)
    with pytest.raises(NotReady, match="no model is champion"):
        score(now=NOW)


def test_who_withdrew_is_not_scored(scored):
    scored.connection.execute(
        "update analytics.dim_customers set is_profilable = false where customer_id = %s", (NOBODY,)
    )
    assert score(now=NOW).records == 2 * (CUSTOMERS - 1)
    with pytest.raises(NotFound, match="has no score"):
        explain(NOBODY)


def test_a_set_that_breaks_off_leaves_nothing(scored):
    scored.connection.execute(
        "create function full_disk() returns trigger language plpgsql"
        " as $$ begin raise disk_full; end $$;"
        "create trigger full_disk before update on ml.score_sets execute function full_disk()"
    )
    with pytest.raises(psycopg.errors.DiskFull):
        score(now=NOW)
    assert scored.one("select count(*) from ml.scores") == (0,)
    assert scored.one("select count(*) from ml.score_sets") == (0,)


def test_an_altered_artefact_is_not_used(scored):
    scored.connection.execute("update ml.models set artefact = artefact || '\\x00'")
    with pytest.raises(NotReady, match="is not the one that was stored"):
        score(now=NOW)


def _told(customer, **which):
    told = explain(customer, **which)
    return told.as_text(), told.as_html(), json.dumps(told.as_dict())


def test_an_explanation_is_the_same_bytes_whatever_happens_later(scored):
    done = score(now=NOW)
    before = _told("user-3", as_of=AS_OF)
    assert _told("user-3") == before
    assert explain("user-3").customer_id == f"c{3:020x}"
    page = before[1]
    assert page.count("<caption id=") == page.count("<table>") == page.count('role="region"') == 2
    assert {"raises", "lowers"} <= set(re.findall(r'class="unseen">([\w ]+)<', page))
    # Another champion, features built anew and otherwise, and a newer set of a later instant.
    scored.connection.execute("update ml.models set state = 'retired' where name = 'churn'")
    newer = scored.model(honest=False, state="champion")
    scored.connection.execute("truncate analytics.customer_features, analytics.customer_labels")
    assert _told("user-3") == before
    later = AS_OF + timedelta(days=7)
    scored.fill(snapshots([AS_OF, later], customers=CUSTOMERS, seed=2))
    scored.pass_features(later)
    score(now=NOW + timedelta(days=7))
    assert explain("user-3").model_id == newer
    assert _told("user-3", as_of=AS_OF) == before
    # The same instant scored again is told of by the newest set; the one before is there, too.
    score(AS_OF, now=NOW + timedelta(days=8))
    assert _told("user-3", as_of=AS_OF) != before
    assert _told("user-3", score_set=done.score_set) == before


def test_an_explanation_asks_what_the_model_was_trained_for(scored, monkeypatch):
    """Whatever the label's file says since, and whether it is there."""
    scored.connection.execute(
        """update ml.models set params = params || '{"question": "stays away for a month"}'"""
    )
    score(now=NOW)
    before = _told("user-3")
    assert "stays away for a month" in before[0]
    monkeypatch.setattr(modelling_models, "LABELS", {})
    assert _told("user-3") == before


def test_an_explanation_adds_up_and_names_its_model(scored):
    done = score(now=NOW)
    for name in ("churn", "purchase"):
        told = explain("user-5", model=name).as_dict()
        assert told["model_id"] in done.model_ids
        assert told["model_id"].endswith(told["model_sha256"][:8])
        assert set(told["contributions"]) == set(told["features"]) == set(MODEL_FEATURES)
        total = told["base_value"] + sum(told["contributions"].values())
        assert abs(total - told["margin"]) <= 1e-4
        assert told["as_of"] == AS_OF.isoformat()
        assert explain("user-5", model=told["model_id"]).as_dict() == told
        assert all(reason["text"] for reason in told["reasons"])


def test_altered_values_are_not_explained_away(scored):
    score(now=NOW)
    scored.connection.execute("update ml.scores set feature_values[1] = 1e6")
    with pytest.raises(NotReady, match="is not what was stored"):
        explain("user-3")


@pytest.mark.parametrize("customer", ["nobody", "user-99999", ""])
def test_an_unknown_customer_is_not_found(scored, customer):
    with pytest.raises(NotFound):
        explain(customer)


def test_a_score_of_another_instant_is_not_found(scored):
    score(now=NOW)
    with pytest.raises(NotFound, match="has no score by churn as of 2017-04-01"):
        explain("user-3", model="churn", as_of=SNAPSHOTS[0])
    with pytest.raises(NotFound, match="in score set 999"):
        explain("user-3", score_set=999)
