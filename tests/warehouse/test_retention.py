"""Old months of raw events go by policy; what was built from them stays right for ever after."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from footfall.errors import BadArgument, NotReady
from footfall.privacy.audit_log import verify
from footfall.privacy.retention import Retention, retain
from footfall.warehouse.build import build, build_snapshots
from footfall.warehouse.connection import transaction
from tests.conftest import set_environment
from tests.warehouse.random_shop import AS_OFS, SNAPSHOTS, Arrival, arrivals
from tests.warehouse.shop import (
    erase,
    event,
    judge,
    marts,
    midnight,
    order,
    refund,
    rows,
    start_over,
    store,
)

pytestmark = pytest.mark.usefixtures("shop")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def let_go(days: int | None = None, *, dry_run: bool = False) -> Retention:
    done = retain(days, actor="tester", now=NOW, dry_run=dry_run)
    assert done is not None
    return done


def kept() -> list[str]:
    return [message for (message,) in rows("select message_id from raw.events order by 1")]


def a_quarter() -> None:
    """Build three months with an order on the last day of each."""
    lasts = [midnight(1, 31), midnight(2, 29), midnight(3, 31)]
    store([order(f"m{n}", f"o{n}", user="ann", when=last) for n, last in enumerate(lasts, 1)])
    store([event(message="m4", user="bob")])
    build(midnight(4, 1))


def test_months_go_whose_every_event_is_older_than_the_policy():
    a_quarter()
    before = marts()
    assert let_go(61).partitions == ()  # back to 31 January
    assert let_go(60).partitions == ("raw.events_2024_01",)  # to 1 February
    assert kept() == ["m2", "m3", "m4"]
    done = let_go(31)  # to 1 March
    assert (done.dropped_before, done.partitions, done.rows) == (
        midnight(3, 1),
        ("raw.events_2024_02",),
        1,
    )
    assert kept() == ["m3", "m4"]
    assert marts() == before
    assert rows(
        "select dropped_before, partitions, rows from ops.retentions order by retention_id"
    ) == [
        (midnight(2, 1), ["raw.events_2024_01"], 1),
        (midnight(3, 1), ["raw.events_2024_02"], 1),
    ]
    assert let_go(31).partitions == ()


def test_a_dry_run_tells_and_touches_nothing():
    a_quarter()
    assert let_go(31, dry_run=True).partitions == ("raw.events_2024_01", "raw.events_2024_02")
    assert kept() == ["m1", "m2", "m3", "m4"]
    assert rows("select * from ops.retentions") == []


def test_without_a_policy_every_event_is_kept(monkeypatch):
    a_quarter()
    assert retain(actor="tester", now=NOW) is None
    set_environment(monkeypatch, raw_retention_days="31")
    assert let_go().rows == 2


def test_a_policy_of_no_days_is_refused():
    with pytest.raises(BadArgument, match="at least 1 day, not 0"):
        let_go(0)


@pytest.mark.unbuilt
def test_what_is_not_built_is_kept():
    with pytest.raises(NotReady, match="nothing is built yet"):
        let_go(1)
    a_quarter()
    late = store([order("m5", "o5", user="ann", when=midnight(2, 3))], verdict=None)
    for attempt in (True, False):
        with pytest.raises(
            NotReady, match=r"load 3 has events in raw.events_2024_02 .* footfall gate raw"
        ):
            let_go(31, dry_run=attempt)
    assert let_go(60).rows == 1  # no event of the load is as old
    with transaction() as connection:
        judge(connection, late, "pass")
    build(midnight(4, 1))
    assert let_go(31).rows == 2


def test_while_a_build_is_unfinished_nothing_goes():
    a_quarter()
    with transaction() as connection:
        connection.execute(
            "insert into ops.builds (as_of, built_through, full_refresh)"
            " values ('2024-04-02Z', '2024-04-02Z', false)"
        )
    with pytest.raises(NotReady, match="the last build did not finish"):
        let_go(31)


def test_months_that_nothing_reaches_stay_though_they_are_long_past_by_the_clock():
    a_quarter()
    assert let_go(31).dropped_before == midnight(3, 1)
    assert NOW - midnight(3, 31) > timedelta(days=31)
    assert kept() == ["m3", "m4"]


def test_a_full_refresh_that_would_lose_history_is_refused():
    a_quarter()
    build(midnight(4, 1), full_refresh=True)
    let_go(31)
    before = marts()
    with pytest.raises(NotReady, match=r"from before 2024-03-01T00:00:00\+00:00.*lose"):
        build(midnight(4, 1), full_refresh=True)
    assert marts() == before
    assert build(midnight(4, 1)).loads == 0


def test_a_late_event_of_a_month_that_is_gone_is_built_and_goes_with_the_next():
    a_quarter()
    let_go(31)
    store([refund("m5", "o1", 4, user="ann", when=midnight(2, 3))])
    build(midnight(4, 1))
    assert rows("select order_id, refunded from analytics.fct_orders order by 1") == [
        *(("o1", 4), ("o2", 0), ("o3", 0)),
    ]
    done = let_go(31)
    assert (done.partitions, done.rows) == (("raw.events_2024_02",), 1)


def test_old_rejected_records_lose_their_bytes_and_stay_counted():
    a_quarter()
    with transaction() as connection:
        for offset, day in enumerate((midnight(2, 29), midnight(3, 1))):
            connection.execute(
                "insert into raw.rejected_events (cluster_id, kafka_topic, kafka_partition,"
                " kafka_offset, reason, detail, event_name, raw, received_at, load_id)"
                " values ('k', 't', 0, %s, 'bad_time', 'of ann', 'Order Completed', 'ann', %s, 1)",
                (offset, day),
            )
    assert let_go(31).rejects_blanked == 1
    assert rows("select reason, detail, raw from raw.rejected_events order by kafka_offset") == [
        ("bad_time", "dropped by retention", None),
        ("bad_time", "of ann", b"ann"),
    ]


def test_retention_is_in_the_audit_log():
    a_quarter()
    let_go(31)
    ((actor, act, subject, detail),) = rows(
        "select actor, act, subject, detail from privacy.audit_log order by entry_id desc limit 1"
    )
    assert (actor, act) == ("tester", "retain")
    assert subject == "raw events before 2024-03-01T00:00:00+00:00"
    assert detail == {
        "days": 31,
        "partitions": ["raw.events_2024_01", "raw.events_2024_02"],
        "rows": 2,
        "rejects_blanked": 0,
    }
    assert verify().intact


@pytest.mark.unbuilt
@pytest.mark.parametrize(("seed", "erased"), [(7, None), (8, "u:u3")])
def test_increments_and_erasures_do_not_miss_the_events_that_are_gone(seed, erased, monkeypatch):
    set_environment(monkeypatch, unknown_consent="allow")
    events = arrivals(Random(seed))
    remembered = built_with(events, erased, retaining=False)
    assert built_with(events, erased, retaining=True) == remembered


def built_with(
    events: Sequence[Arrival], erased: str | None, *, retaining: bool
) -> dict[str, list[str]]:
    start_over()
    dropped = 0
    for number, as_of in enumerate(AS_OFS):
        store([arrival.envelope for arrival in events if arrival.load == number])
        build(as_of)
        if retaining:
            dropped += let_go(1).rows
        if erased and number == 1:
            erase(erased)
    assert dropped > len(events) / 2 or not retaining
    build_snapshots(SNAPSHOTS)
    gone = rows("select ref_sha256 from privacy.erasures order by 1")
    return marts() | {"erased": [digest for (digest,) in gone]}
