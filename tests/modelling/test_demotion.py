"""A champion can be taken back in one step; never are there two and, unasked, none."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from footfall.errors import BadArgument, FootfallError, NotFound, NotReady
from footfall.modelling.demotion import demote
from footfall.modelling.models import list_models
from footfall.modelling.promotion import promote_if_better
from footfall.modelling.reigns import champion_history
from footfall.privacy.audit_log import verify
from footfall.warehouse import models
from footfall.warehouse.connection import transaction
from tests.modelling.shop import NOW, Shop

LATER = NOW + timedelta(hours=1)


def states() -> dict[str, str]:
    return {model.model_id: model.state for model in list_models()}


def crown(model_id: str, *, after: int) -> str:
    """Make a model champion by hand, so many minutes after NOW."""
    with transaction() as connection:
        at = NOW + timedelta(minutes=after)
        models.crown(connection, models.find_model(connection, model_id), now=at)
    return model_id


@pytest.fixture
def three(shop: Shop) -> list[str]:
    """Give three models of churn that were champion one after the other; the last one is."""
    shop.fill()
    return [crown(shop.model(rounds=10 + n), after=n) for n in range(3)]


def test_the_champion_before_it_is_champion_again(three):
    first, second, third = three
    done = demote("churn", because="it annoys regulars", now=LATER, actor="vera")
    assert (done.model_id, done.champion) == (third, second)
    assert states() == {first: "retired", second: "champion", third: "retired"}
    assert demote(second, because="no better", now=LATER, actor="vera").champion == first
    with pytest.raises(NotReady, match=r"no former champion of churn.*--no-successor"):
        demote("churn", because="none is good", now=LATER, actor="vera")
    assert states()[first] == "champion"


def test_who_lacks_a_feature_or_failed_a_check_is_passed_over(three, shop):
    first, second, third = three
    shop.connection.execute(
        "update ml.models set features = jsonb_set(features, '{0}', '\"shoe_size\"')"
        " where model_id = %s",
        (second,),
    )
    done = demote(third, because="it errs", now=LATER, actor="vera")
    assert done.champion == first
    assert done.passed_over == {second: "it needs shoe_size, which is no feature any more"}
    shop.connection.execute("update ml.models set metrics = metrics - 'checks'")
    crown(third, after=90)
    with pytest.raises(NotReady, match="trained before models were checked"):
        demote(third, because="it errs", now=LATER, actor="vera")
    assert states()[third] == "champion"


def test_without_a_successor_there_is_no_champion(three):
    done = demote("churn", because="stop it", successor=False, now=LATER, actor="vera")
    assert done.champion is None
    assert "champion" not in states().values()
    with pytest.raises(NotFound, match="churn has no champion"):
        demote("churn", because="stop it", now=LATER, actor="vera")


def test_only_a_champion_is_demoted_and_for_a_reason(three):
    with pytest.raises(BadArgument, match=f"{three[0]} is retired"):
        demote(three[0], because="it errs", now=LATER, actor="vera")
    with pytest.raises(BadArgument, match="--because TEXT"):
        demote("churn", because=" ", now=LATER, actor="vera")
    with pytest.raises(NotFound, match="footfall models"):
        demote("fraud", because="it errs", now=LATER, actor="vera")
    assert states()[three[2]] == "champion"


def test_the_history_tells_who_when_and_why(shop):
    shop.fill()
    old, new = shop.model(honest=False), shop.model()
    promote_if_better(old, now=NOW, actor="airflow")
    promote_if_better(new, now=NOW + timedelta(days=7), actor="airflow")
    demote("churn", because="it annoys regulars", now=NOW + timedelta(days=8), actor="vera")
    told = [
        (reign.model_id, reign.promoted_by, reign.retired_by, reign.retired_because)
        for reign in champion_history()
    ]
    assert told == [
        (old, "airflow", "airflow", f"{new} took its place"),
        (new, "airflow", "vera", "it annoys regulars"),
        (old, "vera", None, None),
    ]
    assert champion_history()[0].promoted_because == "the first champion of its name"
    assert champion_history()[1].retired_at == champion_history()[2].promoted_at
    assert "until now" in champion_history()[2].line()
    checked = verify()
    assert (checked.entries, checked.intact) == (4, True)


def test_whatever_happens_at_once_there_is_one_champion(three, shop):
    challenger = shop.model(rounds=60)
    acts: list[Callable[[], Any]] = [
        lambda: demote(three[2], because="it errs", now=LATER, actor="vera"),
        lambda: demote("churn", because="it errs", now=LATER, actor="otto"),
        lambda: promote_if_better(challenger, now=LATER, actor="airflow"),
        lambda: promote_if_better(challenger, now=LATER, actor="cli"),
    ]

    def attempt(act: Callable[[], Any]) -> bool:
        try:
            act()
        except FootfallError:
            return False
        return True

    with ThreadPoolExecutor(len(acts)) as pool:
        done = list(pool.map(attempt, acts))
    assert done[2:] == [True, True]
    assert list(states().values()).count("champion") == 1
    assert [reign for reign in champion_history() if not reign.retired_at][-1].model_id in {
        model_id for model_id, state in states().items() if state == "champion"
    }
    assert verify().intact
