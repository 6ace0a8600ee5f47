"""Take a champion back: the one before it takes its place, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.errors import BadArgument, NotFound, NotReady
from footfall.modelling.judging import missing_features, why_unfit
from footfall.warehouse import audit, models
from footfall.warehouse.connection import transaction
from footfall.warehouse.models import ModelRow
from ml.labels import LABELS


@dataclass(frozen=True)
class Demotion:
    """What was demoted, and what is champion now.

    Attributes:
        model_id: the champion that was.
        name: of both models.
        because: why.
        champion: the champion before it, champion again; None = there is none now.
        passed_over: former champions that could not take its place, and why.
    """

    model_id: str
    name: str
    because: str
    champion: str | None
    passed_over: dict[str, str]

    def line(self) -> str:
        """Return it in one line."""
        after = (
            f"{self.champion} is champion of {self.name} again; what it says is served after: "
            "footfall score, footfall publish"
            if self.champion
            else f"{self.name} has no champion, and is not scored"
        )
        return f"{self.model_id} is demoted: {after}"


def demote(
    target: str, *, because: str, successor: bool = True, now: datetime, actor: str
) -> Demotion:
    """Retire a champion for good, and make the champion before it champion again.

    That is the one promoted last of those that passed their checks, whose features the warehouse
    still has, and that were not demoted themselves.

    Args:
        target: a name, such as churn, or the id of its champion.
        because: why; stands in the audit log.
        successor: False leaves the name without a champion.
        now: when.
        actor: who does it.

    Raises:
        BadArgument: no reason is given, or the model is no champion.
        NotFound: the name has no champion, or no model has this id.
        NotReady: no former champion can take its place.
    """
    if not because.strip():
        raise BadArgument("a demotion needs a reason: --because TEXT")
    with transaction() as connection:
        model_id = _champion_id(connection, target)
    with transaction() as connection:
        models.lock_models(connection)
        demoted = models.find_model(connection, model_id)
        if demoted.state != "champion":
            raise BadArgument(
                f"{model_id} is {demoted.state}, and only a champion can be demoted; see: "
                "footfall models --history"
            )
        chosen, passed_over = _successor(connection, demoted.name) if successor else (None, {})
        if successor and chosen is None:
            told = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
            raise NotReady(
                f"no former champion of {demoted.name} can take the place of {model_id}"
                f"{': ' + told if told else ''}; to have none: "
                f"footfall demote {target} --no-successor --because TEXT"
            )
        models.dethrone(connection, demoted, now=now)
        champion = chosen.model_id if chosen else None
        audit.append(
            connection,
            actor=actor,
            act="demote",
            subject=model_id,
            detail={"sha256": demoted.sha256, "because": because, "successor": champion},
            now=now,
        )
        if chosen:
            models.crown(connection, chosen, now=now)
            audit.append(
                connection,
                actor=actor,
                act="reinstate",
                subject=chosen.model_id,
                detail={"sha256": chosen.sha256, "because": because, "instead_of": model_id},
                now=now,
            )
    return Demotion(model_id, demoted.name, because, champion, passed_over)


def _champion_id(connection: Connection[TupleRow], target: str) -> str:
    if target not in LABELS:
        return models.find_model(connection, target).model_id
    champion = models.champion(connection, target)
    if champion is None:
        raise NotFound(f"{target} has no champion; see: footfall models --history")
    return champion.model_id


def _successor(
    connection: Connection[TupleRow], name: str
) -> tuple[ModelRow | None, dict[str, str]]:
    """Return the former champion to reinstate, and the newer ones that cannot be, with why."""
    passed_over: dict[str, str] = {}
    for model in models.former_champions(connection, name):
        if reason := why_unfit(model):
            passed_over[model.model_id] = reason
        elif gone := missing_features(connection, model):
            passed_over[model.model_id] = f"it needs {gone[0]}, which is no feature any more"
        else:
            return model, passed_over
    return None, passed_over
