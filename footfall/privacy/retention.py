"""Let old raw events go, by the shop's policy, and say so in the audit log."""

from datetime import datetime, timedelta

from footfall.errors import BadArgument
from footfall.settings import settings
from footfall.warehouse import audit, retentions
from footfall.warehouse.connection import transaction
from footfall.warehouse.retentions import Retention


def retain(
    days: int | None = None, *, actor: str, now: datetime, dry_run: bool = False
) -> Retention | None:
    """Drop the months of ``raw.events`` whose every event is older than the policy, and built.

    Args:
        days: how old an event may grow before the instant that the warehouse is built through;
            None: FOOTFALL_RAW_RETENTION_DAYS.
        actor: who does it; for the audit log.
        now: when; for the audit log.
        dry_run: only return what would go.

    Returns:
        What went; None where neither the argument nor the setting lets anything go.

    Raises:
        BadArgument: fewer days than one.
        NotReady: what would go is not built yet, or somebody uses raw.events.
    """
    allowed = settings().raw_retention_days if days is None else days
    if allowed is None:
        return None
    if allowed < 1:
        raise BadArgument(f"raw events are kept for at least 1 day, not {allowed}")
    with transaction() as connection:
        if dry_run:
            return retentions.plan(connection, timedelta(days=allowed))
        dropped = retentions.drop(connection, timedelta(days=allowed))
        if dropped.partitions or dropped.rejects_blanked:
            audit.append(
                connection,
                actor=actor,
                act="retain",
                subject=f"raw events before {dropped.dropped_before.isoformat()}",
                detail={
                    "days": allowed,
                    "partitions": list(dropped.partitions),
                    "rows": dropped.rows,
                    "rejects_blanked": dropped.rejects_blanked,
                },
                now=now,
            )
    return dropped
