"""Why there is no score set to publish, for who has waited for one."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow, class_row

_NEWEST_AWAITED = """
    select s.score_set, s.as_of, s.completed_at, (
        select v.verdict
        from ops.gate_verdicts v
        where v.gate = 'scores' and v.subject = s.score_set::text
        order by v.verdict_id desc
        limit 1
    ) as verdict, (
        select refused.reason
        from (
            select epoch, reason, score_set, state from serving.publications
            union all
            select epoch, reason, score_set, state from serving.deltas
        ) refused
        where refused.score_set = s.score_set and refused.state = 'refused'
        order by refused.epoch desc
        limit 1
    ) as refusal
    from ml.score_sets s
    where not exists (
        select from serving.publications p
        join ml.score_sets published using (score_set)
        where p.state in ('live', 'previous', 'expired')
        and (published.as_of, published.score_set) >= (s.as_of, s.score_set)
    )
    order by s.completed_at is not null desc, s.as_of desc, s.score_set desc
    limit 1
"""


@dataclass(frozen=True)
class Awaited:
    """The newest set that is newer than all that ever was live: complete ones go first.

    ``verdict`` is what its gate said last, ``refusal`` why a publication of it was refused last.
    """

    score_set: int
    as_of: datetime
    completed_at: datetime | None
    verdict: str | None
    refusal: str | None

    @property
    def is_complete(self) -> bool:
        """Whether all its scores are there."""
        return self.completed_at is not None

    @property
    def is_stuck(self) -> bool:
        """Whether somebody has to do something: nothing that is under way will bring it on."""
        return self.is_complete and self.verdict not in ("pass", "warn")

    @property
    def problem(self) -> str:
        """Why it is not published, and what to do."""
        name = f"score set {self.score_set} (as of {self.as_of:%Y-%m-%dT%H:%M:%SZ})"
        if not self.is_complete:
            return f"{name} is not complete; if nothing scores now: footfall score"
        if self.verdict is None:
            return f"{name} was not checked by the gate; run: footfall gate scores"
        if self.verdict == "stop":
            return f"the gate stopped {name}; why: footfall gate scores --json"
        if self.refusal is not None:
            return self.refusal
        return f"{name} is ready by now; run: footfall publish"


def newest_awaited(connection: Connection[TupleRow]) -> Awaited | None:
    """Return the set that would be published next; None if all that was scored was live."""
    with connection.cursor(row_factory=class_row(Awaited)) as cursor:
        return cursor.execute(_NEWEST_AWAITED).fetchone()


async def newest_awaited_async(connection: AsyncConnection[TupleRow]) -> Awaited | None:
    """Return the same without blocking the event loop."""
    async with connection.cursor(row_factory=class_row(Awaited)) as cursor:
        await cursor.execute(_NEWEST_AWAITED)
        return await cursor.fetchone()
