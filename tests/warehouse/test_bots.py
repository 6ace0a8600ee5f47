"""Robots are left out and counted; their money, names and refusals are not."""

import pytest

from footfall.warehouse.build import build
from tests.warehouse.shop import at, erase, event, marts, midnight, order, rows, store

pytestmark = pytest.mark.usefixtures("shop")

ROBOT = {"userAgent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
SCRIPT = {"userAgent": "python-requests/2.32.3"}
NEW_ROBOT = {"userAgent": "NewlyHatchedCrawler/0.1"}
AS_OF = midnight(3, 9)
COUNTS = (
    "select bot_rule, occurred_on::text, event_name, event_count"
    " from analytics.bot_events_daily order by 1, 2, 3"
)


def test_robots_are_counted_and_left_out_also_when_they_come_late():
    store(
        [
            event("page", message="m1", anonymous="r", context=ROBOT),
            event("page", message="m2", anonymous="r", context=ROBOT, when=at(days=1)),
            event("page", message="m3", anonymous="p"),
            # the shop's own server, and somebody who signs in by a script
            order("m4", "o1", user="1", context=SCRIPT),
            event("identify", message="m5", user="2", context=SCRIPT, traits={"city": "Ulm"}),
        ]
    )
    assert build(AS_OF).report.bot_events == 2
    store(
        [
            event("page", message="m6", anonymous="r", context=ROBOT),
            event("page", message="m7", anonymous="r", user="9", context=NEW_ROBOT),
        ]
    )
    report = build(AS_OF).report
    assert (report.events, report.bot_events, report.customers_touched) == (0, 2, 0)
    assert rows(COUNTS) == [
        ("google", "2024-03-01", "page_view", 2),
        ("google", "2024-03-02", "page_view", 1),
        ("other", "2024-03-01", "page_view", 1),
    ]
    assert rows("select external_id from analytics.customer_identities order by 1") == [
        ("1",),
        ("2",),
        ("p",),
    ]
    assert rows("select order_id from analytics.fct_orders") == [("o1",)]
    increments = marts()
    build(AS_OF, full_refresh=True)
    assert increments == marts()


def test_a_refusal_counts_whatever_the_agent_calls_itself_and_a_permission_does_not():
    store(
        [
            order("m1", "o1", user="1", consent=True),
            order("m2", "o2", user="2", consent=None),
        ]
    )
    build(AS_OF)
    store(
        [
            event("page", message="m3", user="1", consent=False, context=ROBOT, when=at(hours=1)),
            event("page", message="m4", user="2", consent=True, context=ROBOT, when=at(hours=1)),
        ]
    )
    build(AS_OF)
    assert rows("select is_profilable from analytics.dim_customers") == [(False,), (False,)]


def test_the_erased_are_taken_off_the_counts():
    store([event("page", message=f"m{n}", user=f"{n}", context=ROBOT) for n in (1, 2)])
    store([event("page", message="m3", user="3")])
    build(AS_OF)
    erase("u:1")
    assert rows(COUNTS) == [("google", "2024-03-01", "page_view", 1)]
