"""CDNOW's customers, as published: 23,570 people who first bought in 1997, every tenth of them.

The transactions and the summary come with the package lifetimes. Its weeks are seven days, its
values are rounded half up to two places, and it knows the days through 1997-09-30.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from footfall.warehouse.build import build
from tests.warehouse import shop as shops
from tests.warehouse.shop import order, rows, store

SUMMARY = """
select identities.external_id, repeat_days, recency_days, age_days, mean_repeat_value
from analytics.customer_repeat_summary
join analytics.customer_identities as identities using (customer_id)
"""


def folder() -> Path:
    found = find_spec("lifetimes")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "datasets"


def transactions() -> Iterator[dict[str, Any]]:
    lines = (folder() / "CDNOW_sample.txt").read_text().splitlines()
    for number, line in enumerate(lines):
        _, customer, day, _, value = line.split()
        when = datetime.strptime(day, "%Y%m%d").replace(hour=number % 24, tzinfo=UTC)
        compact_disc = {"product_id": "cd", "price": value}
        yield order(f"m{number}", f"o{number}", compact_disc, user=str(int(customer)), when=when)


def published() -> dict[str, tuple[Decimal, ...]]:
    with (folder() / "cdnow_customers_summary_with_transactions.csv").open() as file:
        return {
            row["ID"]: tuple(Decimal(row[name]) for name in ("x", "t_x", "T", "zbar"))
            for row in csv.DictReader(file)
        }


def rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.unbuilt
def test_the_repeat_summary_is_the_published_one_for_every_customer(
    shop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shops, "FIRST_DAY", datetime(1997, 1, 1, tzinfo=UTC))
    sold = list(transactions())
    store(sold)
    build(datetime(1997, 10, 1, tzinfo=UTC))
    summary = {
        customer: (
            Decimal(repeat_days),
            rounded(Decimal(recency_days) / 7),
            rounded(Decimal(age_days) / 7),
            rounded(value),
        )
        for customer, repeat_days, recency_days, age_days, value in rows(SUMMARY)
    }
    assert len(sold) == 6919
    assert len(summary) == 2357
    assert summary == published()
