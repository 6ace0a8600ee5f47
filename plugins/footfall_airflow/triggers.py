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
        """Fire once: with the score set, or with the reason why none came in time."""
        from psycopg import OperationalError

        deadline = datetime.fromisoformat(self.deadline)
        problem = "none is complete and past its gate"
        while datetime.now(UTC) < deadline:
            try:
                ready = await self._wait(deadline)
            except OperationalError as error:  # Postgres restarts: connect again
                problem = f"Postgres does not answer ({str(error).strip().splitlines()[-1]})"
                await asyncio.sleep(self.poll_seconds)
                continue
            if ready is not None:
                yield TriggerEvent(ready)
                return
        yield TriggerEvent({"reason": f"no score set to publish until {self.deadline}: {problem}"})

    async def _wait(self, deadline: datetime) -> dict[str, Any] | None:
        from psycopg import AsyncConnection

        from footfall.publish.newest import newest_unpublished_async
        from footfall.settings import settings

        async with await AsyncConnection.connect(
            settings().postgres, autocommit=True, connect_timeout=10, options="-c timezone=UTC"
        ) as connection:
            while datetime.now(UTC) < deadline:
                ready = await newest_unpublished_async(connection)
                if ready is not None:
                    return {"score_set": ready.score_set, "as_of": ready.as_of.isoformat()}
                await asyncio.sleep(self.poll_seconds)
        return None
