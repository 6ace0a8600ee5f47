"""Clusters of a shop's customers, as segments: who is in which, and whom the next set moves."""

from datetime import datetime
from typing import Any

import pytest

from footfall.errors import BadArgument, NotReady
from footfall.modelling.clustering import cluster
from footfall.segments.registry import listing
from footfall.warehouse.build import build
from footfall.warehouse.segment_rules import read_computed_kinds
from tests.warehouse.shop import at, event, midnight, order, rows, store

FIRST, SECOND = midnight(3, 9), midnight(3, 16)
NOW = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
KEEN = [f"keen-{number:02}" for number in range(12)]
SPARING = [f"sparing-{number:02}" for number in range(12)]
MOVER = SPARING[0]
LONELY = "lonely"  # like nobody else
LEAVING = "leaving"  # is like the keen ones, and withdraws

pytestmark = pytest.mark.usefixtures("shop")


def orders(user: str, count: int, price: float, *, first: int = 0, **details: Any) -> list[Any]:
    """Return so many orders of a customer, one a day."""
    return [
        order(
            f"{user}-{day}",
            f"{user}-{day}",
            {"product_id": "p1", "quantity": 1, "price": price},
            user=user,
            when=at(days=day),
            **details,
        )
        for day in range(first, first + count)
    ]


def members(kind: str, number: int) -> dict[str, tuple[str, datetime]]:
    """Return who is in which segment of a set now, and since when."""
    found = rows(
        "select external_id, segment, entered_at from analytics.customer_segments"
        " join analytics.customer_identities using (customer_id)"
        " where kind = 'cluster' and starts_with(segment, %s) and rule_version = %s",
        *(kind, number),
    )
    return {user: (segment, entered_at) for user, segment, entered_at in found}


def stays(user: str, method: str) -> list[tuple[Any, ...]]:
    return rows(
        "select segment, entered_at, left_at, rule_version from analytics.segment_history"
        " join analytics.customer_identities using (customer_id)"
        " where kind = 'cluster' and external_id = %s and starts_with(segment, %s) order by 2, 4",
        *(user, method),
    )


def test_a_set_puts_customers_into_segments_and_the_next_one_moves_them():
    sent = [*orders(LONELY, 1, 9_000_000), *orders(LEAVING, 5, 505)]
    for number, (keen, sparing) in enumerate(zip(KEEN, SPARING, strict=True)):
        sent += orders(keen, 5, 500 + number) + orders(sparing, 1, 10 + number / 10)
    store(sent)
    build(FIRST)
    means = cluster(now=NOW)
    density = cluster(method="dbscan", now=NOW)

    withdrawal = event("identify", message="w1", user=LEAVING, consent=False, when=at(days=9))
    store([*orders(MOVER, 5, 500, first=9), withdrawal])
    build(SECOND)
    assert (means.as_of, means.customers, means.unclustered) == (FIRST, 26, 0)
    assert [one.size for one in means.clusters] == [14, 12]
    assert members("kmeans", means.cluster_set) == {
        **dict.fromkeys([*KEEN, LONELY], ("kmeans_1", FIRST)),
        **dict.fromkeys(SPARING, ("kmeans_2", FIRST)),
    }
    assert members("dbscan", density.cluster_set) == {
        LONELY: ("dbscan_noise", FIRST),
        **dict.fromkeys(KEEN, ("dbscan_1", FIRST)),
        **dict.fromkeys(SPARING, ("dbscan_2", FIRST)),
    }
    assert density.line().endswith("dbscan_1 13, dbscan_2 12, 1 in none")

    # a set of the same snapshot takes the place of the one before, without who has withdrawn since
    again = cluster(FIRST, now=NOW)
    assert again.customers == 25
    earlier, moved = cluster(now=NOW), cluster(now=NOW)
    assert (moved.as_of, moved.sha256) == (SECOND, earlier.sha256)
    for replaced in (means, again, earlier):
        assert members("kmeans", replaced.cluster_set) == {}
    assert members("kmeans", moved.cluster_set) == {
        **dict.fromkeys([*KEEN, LONELY, MOVER], ("kmeans_1", SECOND)),
        **dict.fromkeys(SPARING[1:], ("kmeans_2", SECOND)),
    }
    assert stays(MOVER, "kmeans") == [
        ("kmeans_2", FIRST, SECOND, again.cluster_set),
        ("kmeans_1", SECOND, None, moved.cluster_set),
    ]
    assert stays(MOVER, "dbscan") == [("dbscan_2", FIRST, None, density.cluster_set)]
    assert stays(LEAVING, "") == []

    kinds = read_computed_kinds()
    listed = [one for one in listing() if one.kind != "rule"]
    assert {one.kind for one in listed} == {"rfm", "cluster"}
    for one in listed:
        said = kinds[one.kind]
        assert one.line().endswith(f" members, {said.owner}: {said.description}")


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"as_of": FIRST}, NotReady, "footfall build --as-of 2024-03-09"),
        ({"clusters": 1}, BadArgument, "--clusters is 1; give 2 to 8"),
        ({"clusters": 3, "method": "dbscan"}, BadArgument, "--clusters belongs to kmeans"),
    ],
)
def test_what_cannot_be_grouped_is_said(asked: dict[str, Any], error: Any, told: str):
    with pytest.raises(error, match=told):
        cluster(**asked, now=NOW)
