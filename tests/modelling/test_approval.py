"""Where approval is required, evidence alone crowns nobody; an answer is about one question."""

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from footfall.errors import BadArgument, NotBetter
from footfall.modelling.approval import Approval, propose
from footfall.modelling.demotion import demote
from footfall.modelling.models import list_models
from footfall.modelling.promotion import promote, promote_if_better
from footfall.path import promote_better, proposals
from footfall.privacy.audit_log import verify
from footfall.warehouse import audit, models
from footfall.warehouse.connection import transaction
from tests.conftest import set_environment
from tests.modelling.shop import NOW


@pytest.fixture
def required(shop, monkeypatch):
    """Give a champion of coin flips and an honest challenger, where approval is required."""
    set_environment(monkeypatch, promotion_approval="required")
    shop.fill()
    return shop.model(honest=False, state="champion"), shop.model()


def champions() -> list[str]:
    return [model.model_id for model in list_models() if model.state == "champion"]


def log() -> list[tuple[str, str, str, dict[str, Any]]]:
    with transaction() as connection:
        entries = list(audit.entries(connection))
    assert verify().intact
    return [(one.actor, one.act, one.subject, json.loads(one.detail)) for one in entries]


def yes(challenger: str, **changes: Any) -> Approval:
    proposal = propose(challenger)
    assert proposal is not None
    approval = Approval(
        model_id=challenger,
        sha256=proposal.sha256,
        against=proposal.against,
        approved=True,
        by="vera",
        because="the gain holds in each segment",
    )
    return dataclasses.replace(approval, **changes)


def test_evidence_alone_crowns_nobody(required):
    champion, challenger = required
    done = promote_if_better(challenger, now=NOW, actor="airflow")
    assert (done.promoted, champions()) == (False, [champion])
    assert "waits for a person's approval: footfall promote" in done.reason
    assert log() == []


def test_the_question_tells_the_evidence(required):
    champion, challenger = required
    (asked,) = proposals([challenger])
    assert (asked.model_id, asked.against) == (challenger, champion)
    assert asked.subject == f"May {challenger} become champion of churn?"
    told = promote_if_better(challenger, now=NOW, actor="airflow")
    for number in (
        told.metrics["log_loss"],
        told.champion_metrics["log_loss"],
        told.gain["mean"],
        told.gain["at_least"],
    ):
        assert f"{number:.4f}" in asked.body
    for told_too in ("not_too_good", asked.sha256, challenger, champion):
        assert told_too in asked.body
    assert proposals([champion]) == []


def test_nobody_is_asked_where_no_approval_is_required(shop):
    shop.fill()
    assert proposals([shop.model()]) == []


def test_the_first_of_its_name_is_asked_about_too(shop, monkeypatch):
    set_environment(monkeypatch, promotion_approval="required")
    (asked,) = proposals([shop.model()])
    assert asked.against is None
    assert "the base rate" in asked.body


def test_an_approval_crowns_and_stands_in_the_audit_log(required):
    champion, challenger = required
    answer = dataclasses.asdict(yes(challenger))
    done = promote_better([challenger], [answer], now=NOW, actor="airflow")
    assert done.promoted == (challenger,)
    assert champions() == [challenger]
    ((actor, act, subject, detail),) = log()
    assert (actor, act, subject) == ("airflow", "promote", challenger)
    assert detail["approved_by"] == "vera"
    assert detail["because"] == "the gain holds in each segment"
    assert detail["instead_of"] == champion


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"approved": False, "because": "not before Christmas"}, "vera rejected it: not before"),
        ({"approved": False, "by": None, "because": "no answer"}, "nobody rejected it: no answer"),
        ({"because": " "}, "gives no reason"),
        ({"sha256": "0" * 64}, "it is of the bytes 00000000, not"),
        ({"against": None}, "was compared with no champion, and the champion is now churn-"),
    ],
)
def test_an_answer_that_does_not_crown_is_noted_with_its_reason(required, changes, told):
    champion, challenger = required
    answer = dataclasses.asdict(yes(challenger, **changes))
    with pytest.raises(NotBetter, match=told):
        promote_better([challenger], [answer], now=NOW, actor="airflow")
    assert champions() == [champion]
    ((_, act, subject, detail),) = log()
    assert (act, subject) == ("reject_promotion", challenger)
    assert told in detail["reason"]
    assert detail["champion"] == champion


def test_an_approval_does_not_count_once_another_was_crowned(required, shop):
    _, challenger = required
    approval = yes(challenger)
    other = shop.model(checks=[("calibrated", True)], rounds=30)
    shop.connection.execute("update ml.models set state = 'retired' where state = 'champion'")
    promote(other, now=NOW, actor="cli", approved_by="otto", because="first come")
    done = promote_if_better(challenger, now=NOW, actor="airflow", approval=approval)
    assert not done.promoted
    assert f"the champion is now {other}; compare them anew" in done.reason
    assert champions() == [other]
    assert [act for _, act, _, _ in log()] == ["promote", "reject_promotion"]


def test_an_approval_does_not_outlive_a_demotion(required):
    champion, challenger = required
    approval = yes(challenger)
    by_hand = {"approved_by": "otto", "because": "first come"}
    with transaction() as connection:
        models.crown(connection, models.find_model(connection, champion), now=NOW)
    promote(challenger, now=NOW + timedelta(hours=1), actor="cli", **by_hand)
    demote("churn", because="it annoys regulars", now=NOW + timedelta(hours=2), actor="vera")
    assert champions() == [champion] == [approval.against]
    done = promote_if_better(challenger, now=NOW, actor="airflow", approval=approval)
    assert done.reason == "the approval by vera does not count: the model was demoted since"
    assert champions() == [champion]


@pytest.mark.parametrize("half", [{}, {"approved_by": "vera"}, {"because": "so"}])
def test_by_hand_an_approval_is_a_name_and_a_reason(required, half):
    champion, challenger = required
    with pytest.raises(BadArgument, match="--approved-by NAME --because TEXT"):
        promote(challenger, now=NOW, actor="cli", **half)
    assert champions() == [champion]


def test_by_hand_it_crowns_with_name_and_reason(required):
    _, challenger = required
    promote(challenger, now=NOW, actor="cli", approved_by="vera", because="weighed in the meeting")
    ((actor, act, _, detail),) = log()
    assert (actor, act, detail["approved_by"]) == ("cli", "promote", "vera")
    assert detail["because"] == "weighed in the meeting"


def test_a_person_cannot_approve_what_evidence_is_against(required, shop):
    champion, _ = required
    unfit = shop.model(checks=[("a leak", False)], rounds=30)
    with pytest.raises(NotBetter, match="a leak"):
        promote(unfit, now=NOW, actor="cli", approved_by="vera", because="I like it")
    assert champions() == [champion]
    assert [(act, detail["approved_by"]) for _, act, _, detail in log()] == [
        ("reject_promotion", "vera")
    ]


def test_a_demoted_model_is_promoted_by_a_person_only(shop):
    shop.fill()
    model_id = shop.model()
    promote(model_id, now=NOW, actor="airflow")
    demote(model_id, because="it annoys regulars", successor=False, now=NOW, actor="vera")
    with pytest.raises(NotBetter, match=r"demoted on 2026-11-21; a person may promote it again"):
        promote_better([model_id], now=NOW, actor="airflow")
    promote(model_id, now=NOW, actor="cli", approved_by="vera", because="it was the storefront")
    assert champions() == [model_id]
    demote("churn", because="again", successor=False, now=NOW, actor="vera")
    assert champions() == []
