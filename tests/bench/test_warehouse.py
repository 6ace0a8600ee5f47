"""The section ``warehouse`` of the bench, on the smallest history."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import curve, history, late
from bench.curve import Increment, Point
from bench.server import counting_postgres
from bench.statements import Statement

LOADS = 3


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that Postgres, which is not root, can reach."""
    with tempfile.TemporaryDirectory(prefix="footfall-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def admin_dsn(test_home: Path, folder: Path) -> Iterator[str]:
    with counting_postgres(folder) as dsn:
        yield dsn


def say(text: str) -> None:
    pass


def test_every_history_holds_the_small_shop_and_no_load_twice():
    small = {event.message_id for event in history.history(history.CUSTOMERS, new_loads=LOADS)}
    great = {event.message_id for event in history.history(400, new_loads=LOADS)}
    loads = [history.new_load(number, of=LOADS) for number in range(LOADS)]
    late_ones = [event.message_id for load in loads for event in load]
    assert small < great
    assert len(late_ones) == len(set(late_ones))
    assert not great & set(late_ones)


def test_each_load_signs_in_orders_and_refunds_late():
    for number in range(LOADS):
        load = history.new_load(number, of=LOADS)
        weeks_late = [event for event in load if history.END - event.occurred_at > history.WEEK]
        assert {"identify", "purchase"} <= {event.event_name for event in weeks_late}


def test_the_curve_shows_ratios_to_the_smallest_history(capsys):
    def point(times: int, buffers: int) -> Point:
        done = Increment(2.0, [Statement("select $1", 1, 0.5, buffers)])
        return Point(times, 10_000 * times, 9.0, [done])

    curve.show([point(1, 100), point(10, 130)], load="load average 0.1")
    printed = capsys.readouterr().out
    assert "1.30" in printed
    assert "100,000" in printed


def test_a_new_load_is_built_and_its_statements_are_counted(admin_dsn):
    (point,) = curve.measure(admin_dsn, sizes=(1,), rounds=1, customers=history.CUSTOMERS, say=say)
    (increment,) = point.increments
    assert increment.buffers > 10_000
    assert any("int_touched_refs" in line for line in curve.by_text(point))


def test_after_late_data_footfall_has_no_wrong_row_and_the_stock_increment_has(admin_dsn, folder):
    footfall, stock, refreshed = late.measure(
        admin_dsn,
        customers=history.CUSTOMERS,
        new_loads=1,
        peers=["stock"],
        folder=folder,
        say=say,
    )
    assert {"fct_sessions", "fct_orders", "dim_customers"} < set(footfall.wrong)
    assert not [name for name, wrong in footfall.wrong.items() if wrong.rows]
    # The generated shop states every order whole, in one currency.
    assert [name for name, wrong in footfall.wrong.items() if not wrong.of] == ["orders_set_aside"]
    assert all(wrong.rows for wrong in stock.wrong.values())
    assert set(stock.wrong) == {"sessions", "orders", "customer_days"}
    assert refreshed.seconds
