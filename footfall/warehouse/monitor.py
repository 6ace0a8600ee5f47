"""Are events still coming in, and as many as usual? dbt's own freshness and volume, read."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from psycopg.rows import class_row

from footfall.errors import Unusual
from footfall.warehouse.connection import transaction
from footfall.warehouse.dbt import failure, invoke_dbt

CALLER = "monitor"
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
NEVER = datetime(1, 1, 1, tzinfo=UTC)  # what dbt says of a source without a row


@dataclass(frozen=True)
class Freshness:
    """When the last load brought events.

    Attributes:
        status: pass, warn or error, by the settings FOOTFALL_QUIET_*_MINUTES.
        loaded_at: when it was committed; None if none ever was.
        age_seconds: how long ago that is by the database's clock.
    """

    status: str
    loaded_at: datetime | None
    age_seconds: float | None

    def line(self) -> str:
        """Say it in a line."""
        if self.loaded_at is None or self.age_seconds is None:
            return "error: no event was ever loaded"
        minutes = self.age_seconds / 60
        at = self.loaded_at.isoformat(timespec="seconds")
        return f"{self.status}: events were last loaded {minutes:,.0f} minutes ago ({at})"


@dataclass(frozen=True)
class Volume:
    """A count of the newest whole day that is out of its usual bounds."""

    event_on: date
    event_name: str
    event_count: int
    expected_from: int
    expected_to: int

    def line(self) -> str:
        """Say it in a line."""
        return (
            f"unusual: {self.event_count:,} {self.event_name} on {self.event_on}, "
            f"where {self.expected_from:,} to {self.expected_to:,} are usual"
        )


@dataclass(frozen=True)
class Monitored:
    """What the monitor saw.

    Attributes:
        is_healthy: events came in, as many as usual. A freshness of warn is healthy still.
        freshness: of raw.events.
        judged: how many kinds of event were compared with earlier weeks.
        unusual: those whose count is out of bounds.
    """

    is_healthy: bool
    freshness: Freshness
    judged: int
    unusual: tuple[Volume, ...]

    def enforce(self) -> None:
        """Let nobody overlook it.

        Raises:
            Unusual: it is not healthy; says what was found.
        """
        if not self.is_healthy:
            raise Unusual("; ".join(self.lines().splitlines()))

    def lines(self) -> str:
        """Say it in a line per finding."""
        found = [volume.line() for volume in self.unusual] or [
            f"volume: {self.judged} kinds of event as usual"
            if self.judged
            else "volume: no kind of event has three earlier weeks to be compared with"
        ]
        return "\n".join([self.freshness.line(), *found])


def monitor() -> Monitored:
    """Have dbt check the freshness of raw.events and the volume of its newest whole day.

    Raises:
        BuildFailed: dbt could not do it.
    """
    freshness = _freshness()
    volumes_pass = _check("build", "--select", "tag:monitor", *NO_UNIT_TESTS)
    judged, unusual = _volumes()
    return Monitored(
        is_healthy=volumes_pass and freshness.status != "error",
        freshness=freshness,
        judged=judged,
        unusual=unusual,
    )


def _freshness() -> Freshness:
    outcome = invoke_dbt(["source", "freshness", "--select", "source:raw.events"], caller=CALLER)
    for result in getattr(outcome.result, "results", []):
        if result.status in ("pass", "warn", "error"):
            if result.max_loaded_at <= NEVER:
                return Freshness("error", None, None)
            return Freshness(str(result.status), result.max_loaded_at, result.age)
    raise failure(outcome, CALLER)


def _check(*command: str) -> bool:
    """Return whether every test of a command holds; raise where one could not be run."""
    outcome = invoke_dbt(command, caller=CALLER)
    results = getattr(outcome.result, "results", [])
    could_run = results and all(result.status in ("success", "pass", "fail") for result in results)
    if not could_run:
        raise failure(outcome, CALLER)
    return bool(outcome.success)


def _volumes() -> tuple[int, tuple[Volume, ...]]:
    """Return how many kinds were judged on the newest whole day, and those that are unusual."""
    with transaction() as connection, connection.cursor(row_factory=class_row(Volume)) as cursor:
        unusual = cursor.execute(
            "select event_on, event_name, event_count, expected_from, expected_to"
            " from intermediate.event_volumes where days_ago = 0 and is_unusual order by event_name"
        ).fetchall()
        judged = connection.execute(
            "select count(*) from intermediate.event_volumes where days_ago = 0 and week_count >= 3"
        ).fetchone()
    assert judged is not None
    return int(judged[0]), tuple(unusual)
