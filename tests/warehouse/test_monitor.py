"""Are events still coming in, and as many as usual?"""

import pytest

from footfall.errors import Unusual
from footfall.path import watch_events
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from footfall.warehouse.monitor import monitor
from tests.conftest import set_environment
from tests.warehouse.shop import at, event, rows, store

pytestmark = pytest.mark.usefixtures("shop")

WEEKS = 5
VISITS = 20


def store_weeks(newest_day: int) -> None:
    """Store one day of each of five weeks, the newest with so many visits, and a next day."""
    days = {-7 * week: VISITS for week in range(1, WEEKS)} | {0: newest_day}
    store(
        [
            event("page", message=f"m{day} {number}", user="1", when=at(days=day, minutes=number))
            for day, visits in days.items()
            for number in range(visits)
        ]
        + [event("page", message="next", user="1", when=at(days=1))]
    )


def grow_old(hours: int) -> None:
    with transaction() as connection:
        connection.execute(
            "update raw.loads set committed_at = clock_timestamp() - make_interval(hours => %s)",
            (hours,),
        )


@pytest.mark.parametrize("newest_day", [VISITS - 10, VISITS + 10])
def test_as_many_events_as_usual_are_healthy(newest_day):
    store_weeks(newest_day)
    seen = monitor()
    assert (seen.is_healthy, seen.judged, seen.unusual) == (True, 1, ())
    assert seen.freshness.status == "pass"
    assert "volume: 1 kinds of event as usual" in seen.lines()


@pytest.mark.parametrize("newest_day", [0, 100])
def test_a_day_with_far_fewer_or_more_events_is_found(newest_day):
    store_weeks(newest_day)
    seen = monitor()
    assert not seen.is_healthy
    (volume,) = seen.unusual
    assert (volume.event_name, volume.event_count) == ("page_view", newest_day)
    assert volume.line() == (
        f"unusual: {newest_day} page_view on 2024-03-01, where 7 to 33 are usual"
    )
    with pytest.raises(Unusual, match=r"events were last loaded \d+ minutes ago.*; unusual: "):
        watch_events()


def test_a_quiet_day_fails_no_build():
    store_weeks(0)
    build()
    assert "event_volumes" not in {
        name for (name,) in rows("select table_name from information_schema.views")
    }


@pytest.mark.parametrize(
    ("hours", "status", "is_healthy"), [(0, "pass", True), (2, "warn", True), (7, "error", False)]
)
def test_a_source_without_new_loads_goes_stale(hours, status, is_healthy):
    store_weeks(VISITS)
    grow_old(hours)
    seen = monitor()
    assert (seen.freshness.status, seen.is_healthy) == (status, is_healthy)
    assert f"{status}: events were last loaded " in seen.lines()
    # the server's clock has gone on since
    assert 3600 * hours <= seen.freshness.age_seconds < 3600 * (hours + 0.9)


def test_the_thresholds_are_settings(monkeypatch):
    store_weeks(VISITS)
    grow_old(2)
    set_environment(monkeypatch, quiet_warn_minutes=30, quiet_error_minutes=90)
    assert monitor().freshness.status == "error"


def test_a_shop_without_any_event_is_not_healthy():
    seen = monitor()
    assert not seen.is_healthy
    assert seen.lines().splitlines() == [
        "error: no event was ever loaded",
        "volume: no kind of event has three earlier weeks to be compared with",
    ]
