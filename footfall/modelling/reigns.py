"""Who was champion when, by whom and why: what the audit log tells."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from footfall.warehouse import models
from footfall.warehouse.connection import transaction
from footfall.warehouse.models import Act


@dataclass(frozen=True)
class Reign:
    """One time of one champion.

    Attributes:
        name: purchase or churn.
        model_id: the champion.
        promoted_at: since when.
        promoted_by: by whom: who approved it, else who did it.
        promoted_because: why.
        retired_at: until when; None = it still is.
        retired_by: by whom.
        retired_because: why.
    """

    name: str
    model_id: str
    promoted_at: datetime
    promoted_by: str
    promoted_because: str
    retired_at: datetime | None = None
    retired_by: str | None = None
    retired_because: str | None = None

    def line(self) -> str:
        """Return it in one line."""
        end = (
            f"until {self.retired_at:%Y-%m-%d %H:%M} by {self.retired_by}: {self.retired_because}"
            if self.retired_at
            else "until now"
        )
        return (
            f"{self.name:10} {self.model_id:30} from {self.promoted_at:%Y-%m-%d %H:%M} by "
            f"{self.promoted_by}: {self.promoted_because}; {end}"
        )


def champion_history() -> list[Reign]:
    """Return who was champion of each name, the oldest first."""
    with transaction() as connection:
        acts = models.acts(connection)
    return reigns(acts)


def reigns(acts: Iterable[Act]) -> list[Reign]:
    """Put acts, the oldest first, together to reigns. One name has one at a time."""
    found: list[Reign] = []
    current: dict[str, int] = {}  # name → place in found
    for act in acts:
        by = act.detail.get("approved_by") or act.actor
        because = act.detail.get("because") or act.detail.get("reason", "")
        if act.name in current:
            ended = current.pop(act.name)
            found[ended] = replace(
                found[ended],
                retired_at=act.at,
                retired_by=by,
                retired_because=because
                if act.act == "demote"
                else f"{act.model_id} took its place",
            )
        if act.act != "demote":
            current[act.name] = len(found)
            found.append(Reign(act.name, act.model_id, act.at, by, because))
    return found
