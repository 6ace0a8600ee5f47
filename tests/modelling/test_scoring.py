"""A score set is whole, checked, explained, and knows nothing of the future."""

from datetime import timedelta

import numpy as np
import psycopg
import pytest

from footfall.errors import GateStopped, NotFound, NotReady
from footfall.modelling import scoring
from footfall.modelling.explaining import explain
from footfall.modelling.scoring import score
from ml.catalogue import MODEL_FEATURES
from ml.features import fingerprints
from tests.ml.samples import SNAPSHOTS
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
    parts = score(now=NOW)
    ask = scored.connection.execute
    assert ask(query, (whole.score_set,)).fetchall() == ask(query, (parts.score_set,)).fetchall()


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


def test_an_explanation_is_the_same_bytes_each_time(scored):
    score(now=NOW)
    first, again = explain("user-3"), explain("user-3")
    assert first.as_html() == again.as_html()
    assert first.as_text() == again.as_text()
    assert first.as_dict() == again.as_dict()
    assert first.customer_id == f"c{3:020x}"


def test_an_explanation_outlives_a_rebuild_of_the_features(scored):
    score(now=NOW)
    before = explain("user-3").as_dict()
    scored.connection.execute("truncate analytics.customer_features")
    assert explain("user-3").as_dict() == before


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
