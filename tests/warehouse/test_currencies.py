"""Orders in several currencies, and what becomes of them when the rates change."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from footfall.warehouse import dbt
from footfall.warehouse.build import build
from tests.conftest import set_environment
from tests.warehouse.random_shop import AS_OFS, arrivals
from tests.warehouse.shop import marts, midnight, order, refund, rows, store

Rates = Callable[..., None]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the project: one for all tests, for dbt reads each anew."""
    return shutil.copytree(dbt.PROJECT, tmp_path_factory.mktemp("currencies") / "dbt_project")


@pytest.fixture
def rates(shop: None, project: Path, monkeypatch: pytest.MonkeyPatch) -> Rates:
    """Give a function that writes the seed of rates, in a copy of the project."""
    monkeypatch.setattr(dbt, "PROJECT", project)

    def write(*lines: str) -> None:
        text = "\n".join(["currency,to_currency,valid_from,rate", *lines, ""])
        (project / "seeds" / "exchange_rates.csv").write_text(text)

    return write


ORDERS = (
    "select order_id, currency, exchange_rate::text, net_revenue::text"
    " from analytics.fct_orders order by 1"
)
SET_ASIDE = "select order_id, reason, detail from analytics.orders_set_aside order by 1"


def test_an_order_comes_in_when_its_rate_does_and_no_other_is_touched(rates):
    rates("EUR,USD,2024-01-01,1.1")
    bread = {"product_id": "p1", "quantity": 2, "price": 5.05}
    store(
        [
            order("m1", "o1", bread, user="1", currency="eur"),
            order("m2", "o2", bread, user="2", currency="GBP"),
            refund("m3", "o2", 0.1, user="2", when=midnight(3, 2)),
            order("m4", "o3", bread, user="3"),
        ]
    )
    build(midnight(3, 9))
    assert rows(ORDERS) == [
        ("o1", "EUR", "1.1000000000", "11.11"),
        ("o3", "USD", "1.0000000000", "10.10"),
    ]
    assert rows(SET_ASIDE) == [("o2", "no_exchange_rate", "GBP into USD on 2024-03-01")]

    written = dict(rows("select order_id, xmin::text from analytics.fct_orders"))
    rates("EUR,USD,2024-01-01,1.1", "EUR,USD,2024-04-01,9", "GBP,USD,2024-03-01,1.3")
    build(midnight(3, 9))

    assert rows(ORDERS)[1] == ("o2", "GBP", "1.3000000000", "13.00")
    lines = "select gross_revenue::text from analytics.fct_order_lines where order_id = 'o2'"
    assert rows(lines) == [("13.13",)]
    assert rows(SET_ASIDE) == []
    rewritten = dict(rows("select order_id, xmin::text from analytics.fct_orders"))
    assert rewritten.items() >= written.items()


def test_increments_equal_a_full_build_whatever_becomes_of_the_rates(rates, monkeypatch):
    set_environment(monkeypatch, unknown_consent="allow")
    events = arrivals(Random(11))
    lists = (
        ("EUR,USD,2024-01-01,1.1", "EUR,USD,2024-04-01,1.2", "EUR,GBP,2024-04-01,0.8"),
        ("EUR,USD,2024-01-01,1.1", "EUR,USD,2024-04-15,1.3", "XXX,USD,2024-05-01,0.01"),
        ("EUR,USD,2024-03-10,1.4", "GBP,USD,2024-03-20,1.25"),
    )
    for number, (as_of, lines) in enumerate(zip(AS_OFS, lists, strict=True)):
        rates(*lines)
        store([arrival.envelope for arrival in events if arrival.load == number])
        build(as_of)
    store(
        [
            order("x1", "x1", user="u1"),
            refund("x2", "x1", 1, user="u1", currency="EUR", when=midnight(3, 3)),
        ]
    )
    rates("EUR,USD,2024-03-10,1.4", "GBP,USD,2024-05-02,1.25", "XXX,USD,2024-06-01,2")
    build(AS_OFS[-1])
    increments = marts()
    build(AS_OFS[-1], full_refresh=True)
    assert increments == marts()
    assert {reason for (_, reason, _) in rows(SET_ASIDE)} == {
        *("unknown_order", "no_exchange_rate", "negative_total", "refund_in_other_currency")
    }


def test_amounts_are_in_the_shops_currency(rates, monkeypatch):
    set_environment(monkeypatch, currency="EUR")
    rates("EUR,USD,2024-01-01,1.1", "USD,EUR,2024-01-01,0.9")
    store([order("m1", "o1", user="1"), order("m2", "o2", user="1", currency="USD")])
    build(midnight(3, 9))
    assert rows(ORDERS) == [
        ("o1", "EUR", "1.0000000000", "10.00"),
        ("o2", "USD", "0.9000000000", "9.00"),
    ]
