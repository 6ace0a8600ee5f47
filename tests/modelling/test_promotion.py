"""One champion per name, and only a better one replaces it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from footfall.errors import NotBetter, NotFound
from footfall.modelling.models import has_champion, list_models
from footfall.modelling.promotion import promote, promote_if_better
from footfall.warehouse import audit
from footfall.warehouse.connection import transaction
from tests.ml.samples import SNAPSHOTS
from tests.modelling.shop import NOW


def _states() -> dict[str, str]:
    return {model.model_id: model.state for model in list_models()}


@pytest.fixture
def noisy(shop):
    """Give the shop two models: a champion that learnt coin flips, and an honest challenger."""
    shop.fill()
    return shop.model(honest=False, state="champion"), shop.model()


def test_the_first_model_becomes_champion_and_stays_it(shop):
    shop.fill()
    assert not has_champion()
    model_id = shop.model()
    done = promote(model_id, now=NOW, actor="test")
    assert (done.promoted, done.champion) == (True, model_id)
    assert has_champion()
    again = promote(model_id, now=NOW, actor="test")
    assert (again.promoted, again.reason) == (False, "is the champion already")
    assert _states() == {model_id: "champion"}
    with transaction() as connection:
        entries = list(audit.entries(connection))
    assert [(e.actor, e.act, e.subject) for e in entries] == [("test", "promote", model_id)]


def test_the_better_challenger_retires_the_champion(noisy):
    champion, challenger = noisy
    done = promote_if_better(challenger, now=NOW, actor="test")
    assert done.promoted
    assert done.metrics["log_loss"] < done.champion_metrics["log_loss"]
    assert done.metrics["rows"] == done.champion_metrics["rows"]
    assert 0.0 < done.gain["at_least"] < done.gain["mean"]
    assert _states() == {champion: "retired", challenger: "champion"}


def test_the_worse_challenger_is_refused_with_both_numbers(shop):
    shop.fill()
    champion, worse = shop.model(state="champion"), shop.model(honest=False)
    with pytest.raises(NotBetter, match=rf"{worse} stays challenger: log loss 0\.\d+ is not below"):
        promote(worse, now=NOW, actor="test")
    assert not promote_if_better(worse, now=NOW, actor="test").promoted
    assert _states() == {champion: "champion", worse: "challenger"}


def test_a_champion_that_knows_the_holdout_cannot_be_judged_on_it(shop):
    shop.fill()
    shop.model(honest=False, state="champion", fitted_until=SNAPSHOTS[-1])
    done = promote_if_better(shop.model(holdout=SNAPSHOTS[-2]), now=NOW, actor="test")
    assert not done.promoted
    assert "has learnt from labels until" in done.reason
    assert has_champion(SNAPSHOTS[-1])
    assert not has_champion(SNAPSHOTS[-2])


def test_a_champion_whose_features_are_gone_gives_way(noisy, shop):
    champion, challenger = noisy
    shop.connection.execute(
        "update ml.models set features = jsonb_set(features, '{0}', '\"shoe_size\"')"
        " where model_id = %s",
        (champion,),
    )
    done = promote(challenger, now=NOW, actor="test")
    assert done.promoted
    assert "shoe_size" in done.reason


def test_a_champion_of_another_name_is_no_rival(shop):
    shop.fill()
    shop.model("purchase", state="champion")
    assert promote(shop.model(), now=NOW, actor="test").promoted
    assert sorted(_states().values()) == ["champion", "champion"]


def test_two_promotions_at_once_leave_one_champion(noisy):
    _, challenger = noisy
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda _: promote_if_better(challenger, now=NOW, actor="test"), range(2))
        )
    assert sorted(answer.promoted for answer in done) == [False, True]
    assert list(_states().values()).count("champion") == 1


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ([("too_good", True), ("leak", False), ("luck", False)], "stays challenger: leak; luck"),
        ([], "was trained before models were checked"),
    ],
)
def test_a_model_that_failed_a_check_is_refused_even_as_the_first(shop, checks, told):
    shop.fill()
    unfit = shop.model(checks=checks)
    with pytest.raises(NotBetter, match=told):
        promote(unfit, now=NOW, actor="test")
    assert not promote_if_better(unfit, now=NOW, actor="test").promoted
    assert _states() == {unfit: "challenger"}


def test_a_promotion_notes_what_it_was_made_of(noisy):
    champion, challenger = noisy
    done = promote(challenger, now=NOW, actor="test")
    with transaction() as connection:
        (entry,) = audit.entries(connection)
    detail = json.loads(entry.detail)
    assert (detail["instead_of"], detail["gain"]) == (champion, done.gain)
    assert challenger.endswith(detail["sha256"][:8])


def test_an_unknown_model_is_not_found(shop):
    with pytest.raises(NotFound, match="footfall models"):
        promote("churn-20180102-ffffffff", now=NOW, actor="test")
