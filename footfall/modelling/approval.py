"""Ask a person whether a challenger that won may become champion; weigh the answer.

An answer is about the bytes and the champion that it was asked about, and about nothing else.
"""

from dataclasses import dataclass
from datetime import datetime

from footfall.modelling.judging import Judged, judge, prepare
from footfall.modelling.models import label_of
from footfall.warehouse.connection import transaction
from footfall.warehouse.models import ModelRow


@dataclass(frozen=True)
class Proposal:
    """What a person is asked.

    Attributes:
        model_id: the challenger.
        sha256: of its artefact.
        against: the champion that it was compared with; None = there was none.
        subject: the question.
        body: the evidence, in Markdown.
    """

    model_id: str
    sha256: str
    against: str | None
    subject: str
    body: str


@dataclass(frozen=True)
class Approval:
    """What a person answered.

    Attributes:
        model_id: the challenger that was asked about.
        sha256: of the artefact that was asked about.
        against: the champion that it was compared with; None = there was none.
        approved: yes or no.
        by: who answered; None = nobody did, in time.
        because: why, in the person's words.
        demoted_at: when the model had been demoted, as it was asked about; None = it had not.
    """

    model_id: str
    sha256: str
    against: str | None
    approved: bool
    by: str | None
    because: str
    demoted_at: datetime | None = None

    def as_detail(self) -> dict[str, object]:
        """Return what the audit log keeps of it."""
        who = "approved_by" if self.approved else "rejected_by"
        return {who: self.by, "because": self.because}


def propose(model_id: str) -> Proposal | None:
    """Return what a person is to be asked about a challenger; None if evidence is against it.

    Raises:
        NotFound: no model has this id.
        NotReady: the holdout cannot be read.
    """
    prepare(model_id)
    with transaction() as connection:
        judged = judge(connection, model_id)
    if not judged.better:
        return None
    return Proposal(
        model_id=model_id,
        sha256=judged.challenger.sha256,
        against=judged.champion.model_id if judged.champion else None,
        subject=f"May {model_id} become champion of {judged.challenger.name}?",
        body=_evidence(judged),
    )


def why_not_approved(
    approval: Approval, challenger: ModelRow, champion: ModelRow | None
) -> str | None:
    """Say why an answer does not let a challenger become champion; None if it does."""
    now_champion = champion.model_id if champion else None
    if not approval.approved:
        return f"{approval.by or 'nobody'} rejected it: {approval.because or 'no reason given'}"
    if not approval.by or not approval.because.strip():
        return f"the approval by {approval.by or 'nobody'} gives no reason"
    told = f"the approval by {approval.by} does not count"
    if approval.sha256 != challenger.sha256:
        return f"{told}: it is of the bytes {approval.sha256[:8]}, not {challenger.sha256[:8]}"
    if approval.demoted_at != challenger.demoted_at:
        return f"{told}: the model was demoted since"
    if approval.against != now_champion:
        return (
            f"{told}: the model was compared with {approval.against or 'no champion'}, and the "
            f"champion is now {now_champion or 'nobody'}; compare them anew"
        )
    return None


def _evidence(judged: Judged) -> str:
    from ml.kinds import kind_of

    challenger, champion = judged.challenger, judged.champion
    ours = judged.metrics or challenger.metrics
    kind = kind_of(label_of(challenger))
    theirs = judged.champion_metrics or challenger.metrics["baselines"].get(kind.nothing, {})
    against = champion.model_id if judged.champion_metrics and champion else f"the {kind.nothing}"
    rows = [("on the same rows", challenger.model_id, against), ("---", "---", "---")]
    rows += [
        (title, _text(ours.get(key)), _text(theirs.get(key)))
        for key, title in kind.measures.items()
    ]
    gain = judged.gain
    gained = (
        f"The {kind.yardstick.loss_words} is lower by {gain['mean']:.4f}, by at least "
        f"{gain['at_least']:.4f} with 95 % confidence."
        if gain
        else "No champion can be compared with it on these rows."
    )
    checks = [f"- {check['name']}: {check['detail']}" for check in challenger.metrics["checks"]]
    return "\n".join(
        [
            f"Evidence is for it: {judged.reason}.",
            "",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            gained,
            "",
            f"It passed its {len(checks)} checks:",
            "",
            *checks,
            "",
            f"SHA-256: {challenger.sha256}",
        ]
    )


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
