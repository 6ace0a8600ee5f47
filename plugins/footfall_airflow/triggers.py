"""What the triggerer waits for, without holding a worker."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

POLL_SECONDS = 1.0


class ScoreSetTrigger(BaseTrigger):
    """Fire when a score set is complete, passed its gate, and was not published yet.

    Its state is the deadline, an instant: a restarted triggerer goes on waiting for what is left of
    the time. The address of Postgres comes from the settings there, so that no password is stored.
    """

    def __init__(self, *, deadline: str, poll_seconds: float = POLL_SECONDS) -> None:
        """Wait until ``deadline``, ISO 8601 with an offset, and look every ``poll_seconds``."""
        super().__init__()
        self.deadline = deadline
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to take over."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"deadline": self.deadline, "poll_seconds": self.poll_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire once: with the score set, or with the reason why none came in time.

        ``stuck`` is whether a set waits that will not become ready by itself.
        """
        from psycopg import OperationalError

        deadline = datetime.fromisoformat(self.deadline)
        problem, stuck = "Postgres was not asked", False
        while True:
            try:
                ready, problem, stuck = await self._wait(deadline)
            except OperationalError as error:  # Postgres restarts: connect again
                problem = f"Postgres does not answer ({str(error).strip().splitlines()[-1]})"
                ready, stuck = None, True
            if ready is not None:
                yield TriggerEvent(ready)
                return
            if datetime.now(UTC) >= deadline:
                break
            await asyncio.sleep(self.poll_seconds)
        reason = f"no score set to publish until {self.deadline}: {problem}"
        yield TriggerEvent({"reason": reason, "stuck": stuck})

    async def _wait(self, deadline: datetime) -> tuple[dict[str, Any] | None, str, bool]:
        """Look until there is a set or no time; give the set, or the problem and if it is stuck."""
        from psycopg import AsyncConnection

        from footfall.publish.newest import newest_unpublished_async
        from footfall.settings import settings
        from footfall.warehouse.awaited import newest_awaited_async

        async with await AsyncConnection.connect(
            settings().postgres, autocommit=True, connect_timeout=10, options="-c timezone=UTC"
        ) as connection:
            while True:
                ready = await newest_unpublished_async(connection)
                if ready is not None:
                    return (
                        {"score_set": ready.score_set, "as_of": ready.as_of.isoformat()},
                        "",
                        False,
                    )
                if datetime.now(UTC) >= deadline:
                    awaited = await newest_awaited_async(connection)
                    if awaited is None:
                        return None, "all that was scored is published", False
                    return None, awaited.problem, awaited.is_stuck
                await asyncio.sleep(self.poll_seconds)
