"""What Airflow asks a person, and what it makes of the answer."""

from datetime import UTC, datetime
from typing import Any

import pytest

from footfall.modelling.approval import Approval

pytestmark = pytest.mark.usefixtures("airflow_home")

PROPOSAL = {
    "model_id": "churn-20180102-48a274ee",
    "sha256": "48a274ee" + "0" * 56,
    "against": "churn-20171202-0123abcd",
    "subject": "May {{ it }} become champion?",
    "body": "It is better.",
}
VERA = {"id": "7", "name": "vera"}


def operator(proposal: dict[str, Any]) -> Any:
    from airflow.sdk import DAG, Param

    from footfall_airflow.approvals import PromotionApproval

    with DAG("approving", schedule=None, params={"as_of": Param(None, type=["null", "string"])}):
        return PromotionApproval(task_id="approve", proposal=proposal)


def answer(
    option: str,
    user: dict[str, str] | None = VERA,
    because: str | None = "it gains",
) -> Approval:
    """Answer as the API does, or as the scheduler does when time is over."""
    event = {
        "chosen_options": [option],
        "params_input": {} if because is None else {"because": because},
        "responded_at": datetime(2026, 11, 28, 9, tzinfo=UTC),
        "responded_by_user": user,
        "timedout": user is None,
    }
    return Approval(**operator(PROPOSAL).execute_complete({}, event))


def test_the_question_holds_the_evidence_its_report_and_one_field_for_the_reason() -> None:
    asked = operator(PROPOSAL)
    assert asked.subject == PROPOSAL["subject"]
    assert asked.template_fields == ()
    assert (
        asked.body == "It is better.\n\n[Audit report](/footfall/reports/churn-20180102-48a274ee)"
    )
    assert set(asked.serialized_params) == {"because"}
    assert (asked.options, asked.defaults) == (["Approve", "Reject"], ["Reject"])


def test_an_answer_says_who_why_and_what_about() -> None:
    assert answer("Approve") == Approval(
        model_id=PROPOSAL["model_id"],
        sha256=PROPOSAL["sha256"],
        against=PROPOSAL["against"],
        approved=True,
        by="vera",
        because="it gains",
    )
    assert not answer("Reject").approved
    assert answer("Approve", because=None).because == ""


def test_without_an_answer_in_time_nobody_rejects_it() -> None:
    nobody = answer("Reject", None, "")
    assert (nobody.approved, nobody.by) == (False, None)
    assert nobody.because == "nobody answered within 6 days"
