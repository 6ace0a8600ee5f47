"""The scores of customer_rfm: what they mean, and what an increment rewrites."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from footfall.errors import BuildFailed
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from tests.warehouse.shop import at, marts, midnight, order, rows, store

pytestmark = pytest.mark.usefixtures("shop")

AS_OF = midnight(5, 1)

# 1 for the lowest fifth to 5 for the highest, by rank: what the bounds have to come to.
BY_RANK = """
select count(*) from (
    select
        r_score, f_score, m_score,
        1 + 5 * (rank() over (partition by as_of order by recency_days desc) - 1)
            / count(*) over (partition by as_of) as r,
        1 + 5 * (rank() over (partition by as_of order by frequency) - 1)
            / count(*) over (partition by as_of) as f,
        1 + 5 * (rank() over (partition by as_of order by monetary) - 1)
            / count(*) over (partition by as_of) as m
    from analytics.customer_rfm
) as scored
where (r_score, f_score, m_score) <> (r, f, m)
"""


def sale(random: Random, number: int, customer: int) -> dict[str, Any]:
    price = random.choice([1, 1, 2, 5, 5, 10, random.randint(1, 1000)])
    line = {"product_id": "p", "price": price}
    when = midnight(3, 1) + timedelta(days=random.randint(0, 59))
    return order(f"m{number:05}", f"o{number:05}", line, user=f"u{customer:04}", when=when)


def customers() -> int:
    return int(rows("select count(*) from analytics.customer_rfm")[0][0])


def test_scores_by_bounds_are_scores_by_rank():
    random = Random(1)
    number = 0
    for size in (random.randint(1, 4), 1, 30, 3, 60, 1):
        store([sale(random, number + n, random.randint(0, 15 * (1 + number))) for n in range(size)])
        number += size
        build(AS_OF)
        assert rows(BY_RANK) == [(0,)]
    increments = marts()
    build(AS_OF, full_refresh=True)
    assert increments == marts()
    assert customers() > 40


def test_a_build_rewrites_who_changed_and_who_was_passed_by_a_bound():
    random = Random(3)
    store([sale(random, number, number) for number in range(400)])
    build(AS_OF)
    written = set(rows("select customer_id, xmin::text from analytics.customer_rfm"))
    store([sale(random, 1000, 7), sale(random, 1001, 8)])
    build(AS_OF)
    rewritten = set(rows("select customer_id, xmin::text from analytics.customer_rfm")) - written
    assert 2 <= len(rewritten) <= 10
    assert rows(BY_RANK) == [(0,)]


def test_a_failed_build_does_not_lose_where_the_bounds_were():
    random = Random(4)
    store([sale(random, number, number) for number in range(60)])
    build(AS_OF)
    with transaction() as connection:
        connection.execute(
            "create function ops.refuse() returns trigger language plpgsql"
            " as $$ begin raise exception 'the disk is full'; end $$;"
            "create trigger refuse before insert on analytics.customer_features"
            " execute function ops.refuse()"
        )
    # upwards in two builds that fail, then back
    for number in (100, 120):
        store([sale(random, number + n, 500 + number + n) for n in range(20)])
        with pytest.raises(BuildFailed, match="the disk is full"):
            build(AS_OF)
    with transaction() as connection:
        connection.execute("drop function ops.refuse() cascade")
    cheap = {"product_id": "p", "price": 0}
    store([order(f"c{n}", f"c{n}", cheap, user=f"c{n}", when=at(days=1)) for n in range(45)])
    build(AS_OF)
    assert rows(BY_RANK) == [(0,)]
    increments = marts()
    build(AS_OF, full_refresh=True)
    assert increments == marts()
