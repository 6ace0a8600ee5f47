"""What a Dag waits for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSensorTimeout

from footfall_airflow.triggers import POLL_SECONDS, ScoreSetTrigger

NOTICE = timedelta(seconds=60)
"""How long after the trigger's own deadline Airflow would end a trigger that fell silent."""


class ScoreSetSensor(BaseSensorOperator):
    """Wait for a score set that is complete, passed its gate, and was not published yet.

    Looks once; if there is none, the triggerer waits in its place until ``timeout``. Returns
    ``{"score_set": …, "as_of": …}``. When the time is over it fails with the reason if a set is
    stuck: complete, but never checked or stopped by its gate, or Postgres is away. If there was
    nothing to wait for (all is published, or a set is being scored), it timed out, which
    ``soft_fail`` makes a skip.
    """

    def __init__(self, *, poke_interval: float = POLL_SECONDS, **kwargs: Any) -> None:
        """Take what every sensor takes; ``poke_interval`` is how often the triggerer looks."""
        super().__init__(poke_interval=poke_interval, **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the set that is ready, or defer."""
        from footfall.publish.newest import newest_unpublished
        from footfall.warehouse.connection import connect

        with connect() as connection:
            ready = newest_unpublished(connection)
        if ready is not None:
            return {"score_set": ready.score_set, "as_of": ready.as_of.isoformat()}
        wait = timedelta(seconds=self.timeout)
        deadline = datetime.now(UTC) + wait
        self.defer(
            trigger=ScoreSetTrigger(deadline=deadline.isoformat(), poll_seconds=self.poke_interval),
            method_name="resume",
            timeout=wait + NOTICE,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return what the trigger found.

        Raises:
            NotReady: a set is stuck; says which and why. No ``soft_fail`` hides it.
            AirflowSensorTimeout: there was nothing to wait for; says why.
        """
        from footfall.errors import NotReady

        if "score_set" in event:
            return event
        if event["stuck"]:
            raise NotReady(event["reason"])
        raise AirflowSensorTimeout(event["reason"])
