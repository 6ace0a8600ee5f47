"""Where a Dag waits for a person."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context, Param

from footfall_airflow.pages import PREFIX

APPROVE, REJECT = "Approve", "Reject"
WAIT = timedelta(days=6)
"""Until the answer is no: the run of the week after has to find the Dag free."""
BECAUSE = Param("", type="string", title="Because", description="It stands in the audit log.")


class PromotionApproval(HITLOperator):
    """Ask a person whether a challenger may become champion; without an answer in time it is no.

    Waits without a worker or a trigger. Returns the answer and what it is about, as the fields of
    ``footfall.modelling.approval.Approval``.
    """

    template_fields = ()  # subject and body are final: nothing in them is a template

    def __init__(self, *, proposal: Mapping[str, Any], **kwargs: Any) -> None:
        """Take a Proposal's fields, and what every operator takes."""
        kwargs["params"] = {"because": BECAUSE}  # Airflow hands the Dag's in, which are no question
        super().__init__(
            subject=proposal["subject"],
            body=f"{proposal['body']}\n\n[Audit report]({PREFIX}/reports/{proposal['model_id']})",
            options=[APPROVE, REJECT],
            defaults=REJECT,
            response_timeout=WAIT,
            **kwargs,
        )
        self.proposal = proposal

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return the answer."""
        answer = super().execute_complete(context, event)
        person = answer["responded_by_user"]
        because = str(answer["params_input"].get("because") or "").strip()
        return {
            "model_id": self.proposal["model_id"],
            "sha256": self.proposal["sha256"],
            "against": self.proposal.get("against"),
            "approved": answer["chosen_options"] == [APPROVE],
            "by": person and person["name"],
            "because": because if person else f"nobody answered within {WAIT.days} days",
        }
