"""Make a challenger the champion, if it is better on rows that neither has learnt from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import BadArgument, NotBetter
from footfall.modelling.approval import Approval, why_not_approved
from footfall.modelling.judging import Judged, judge, prepare
from footfall.settings import settings
from footfall.warehouse import audit, models
from footfall.warehouse.connection import transaction

REMEDY = "footfall promote {} --approved-by NAME --because TEXT"


@dataclass(frozen=True)
class Promotion:
    """Whether a model became champion, and why.

    Attributes:
        model_id: the model.
        name: purchase or churn.
        promoted: whether it became champion just now.
        reason: in one line.
        state: of the model after this.
        champion: the champion of the name after this.
        metrics: of the challenger on its holdout; empty when there was nothing to compare.
        champion_metrics: of the champion before, on the same rows.
        gain: by how much the log loss is lower, and by how much at least; empty likewise.
    """

    model_id: str
    name: str
    promoted: bool
    reason: str
    state: models.State
    champion: str | None
    metrics: Mapping[str, float]
    champion_metrics: Mapping[str, float]
    gain: Mapping[str, float] = field(default_factory=dict)


def promote(
    model_id: str,
    *,
    now: datetime,
    actor: str,
    approved_by: str | None = None,
    because: str | None = None,
) -> Promotion:
    """Promote a model, or refuse; ``actor`` stands in the audit log.

    Args:
        model_id: the model.
        now: when.
        actor: who does it.
        approved_by: the person who approves; needed where approval is required, and for a model
            that was demoted.
        because: why that person does.

    Raises:
        BadArgument: approval is required and not given, or half of it is.
        NotFound: no model has this id.
        NotBetter: it failed a check, or the champion is better or cannot be compared with it; says
            why.
        NotReady: the holdout cannot be read.
    """
    by, why = (approved_by or "").strip(), (because or "").strip()
    if bool(by) != bool(why):
        raise BadArgument(f"an approval is a name and a reason: {REMEDY.format(model_id)}")
    if settings().promotion_approval == "required" and not by:
        raise BadArgument(
            f"FOOTFALL_PROMOTION_APPROVAL=required: {model_id} becomes champion only with a "
            f"person's approval: {REMEDY.format(model_id)}"
        )
    approval = _approval_of_now(model_id, by, why) if by else None
    done = promote_if_better(model_id, now=now, actor=actor, approval=approval)
    if not done.promoted and done.champion != model_id:
        raise NotBetter(f"{model_id} stays {done.state}: {done.reason}")
    return done


def promote_if_better(
    model_id: str, *, now: datetime, actor: str, approval: Approval | None = None
) -> Promotion:
    """Promote the first model of its name, or one that beats the champion on the same holdout.

    Where approval is required, evidence alone does not promote: a person's approval is needed, of
    these bytes and against this champion. A model that was demoted always needs one.

    Raises:
        NotFound: no model has this id.
        NotReady: the holdout cannot be read.
    """
    prepare(model_id)
    with transaction() as connection:
        models.lock_models(connection)
        judged = judge(connection, model_id, asked_by_a_person=approval is not None)
        refused = _why_not(judged, approval)
        if refused is None:
            models.crown(connection, judged.challenger, now=now)
            _note(connection, "promote", judged, judged.reason, approval, actor=actor, now=now)
        elif approval is not None and not _is_champion(judged):
            _note(connection, "reject_promotion", judged, refused, approval, actor=actor, now=now)
    keeps = judged.champion.model_id if judged.champion else None
    return Promotion(
        model_id=model_id,
        name=judged.challenger.name,
        promoted=refused is None,
        reason=refused or judged.reason,
        state="champion" if refused is None else judged.challenger.state,
        champion=model_id if refused is None else keeps,
        metrics=judged.metrics,
        champion_metrics=judged.champion_metrics,
        gain=judged.gain,
    )


def _why_not(judged: Judged, approval: Approval | None) -> str | None:
    """Say why a challenger does not become champion; None if it does."""
    if approval is not None and not _is_champion(judged):
        if reason := why_not_approved(approval, judged.challenger, judged.champion):
            return reason
    if not judged.better:
        return judged.reason
    if approval is None and settings().promotion_approval == "required":
        remedy = REMEDY.format(judged.challenger.model_id)
        return f"{judged.reason}, and it waits for a person's approval: {remedy}"
    return None


def _is_champion(judged: Judged) -> bool:
    champion = judged.champion
    return champion is not None and champion.model_id == judged.challenger.model_id


def _approval_of_now(model_id: str, by: str, because: str) -> Approval:
    """Return the approval of a model as it is now, against the champion of now."""
    with transaction() as connection:
        challenger = models.find_model(connection, model_id)
        champion = models.champion(connection, challenger.name)
    against = champion.model_id if champion else None
    return Approval(model_id, challenger.sha256, against, True, by, because, challenger.demoted_at)


def _note(
    connection: Connection[TupleRow],
    act: str,
    judged: Judged,
    reason: str,
    approval: Approval | None,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Write to the audit log what became of a challenger, by whom and why."""
    champion = judged.champion.model_id if judged.champion else None
    audit.append(
        connection,
        actor=actor,
        act=act,
        subject=judged.challenger.model_id,
        detail={
            "sha256": judged.challenger.sha256,
            "reason": reason,
            ("instead_of" if act == "promote" else "champion"): champion,
            **({"gain": dict(judged.gain)} if judged.gain else {}),
            **(approval.as_detail() if approval else {}),
        },
        now=now,
    )
