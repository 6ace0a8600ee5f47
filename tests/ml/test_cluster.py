"""Clusters: found where they are, numbered the same in any order, refused for too few rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.cluster import NOISE, cluster
from ml.errors import TooFewRows, UnknownColumns


def customers(*groups: tuple[int, float, float, float], seed: int = 1) -> pd.DataFrame:
    """Return groups of (how many, recency, frequency, monetary), each spread a little."""
    chance = np.random.default_rng(seed)
    frames = [
        pd.DataFrame(
            {
                "recency_days": recency * chance.uniform(0.9, 1.1, count),
                "frequency": frequency * chance.uniform(0.9, 1.1, count),
                "monetary": monetary * chance.uniform(0.9, 1.1, count),
                "group": number,
            }
        )
        for number, (count, recency, frequency, monetary) in enumerate(groups, start=1)
    ]
    return pd.concat(frames, ignore_index=True)


THREE = customers((40, 5, 30, 3000), (60, 40, 6, 300), (80, 200, 1, 20))


@pytest.mark.parametrize("method", ["kmeans", "dbscan"])
def test_groups_that_lie_apart_are_found_and_numbered_by_their_money(method):
    found = cluster(THREE, method=method)
    inside = found.numbers != NOISE
    assert inside.mean() > 0.9
    assert (found.numbers[inside] == THREE["group"][inside]).all()
    assert [one.number for one in found.clusters] == [1, 2, 3]
    assert found.clusters[0].monetary > found.clusters[1].monetary > found.clusters[2].monetary
    assert sum(one.size for one in found.clusters) == inside.sum()
    assert found.silhouette is not None
    assert found.silhouette > 0.7


def test_the_number_of_clusters_is_the_one_with_the_greatest_silhouette():
    found = cluster(THREE)
    scores = found.params["silhouettes"]
    assert found.params["clusters"] == 3 == int(max(scores, key=scores.get))
    assert list(scores) == ["2", "3", "4", "5", "6", "7", "8"]
    assert len(cluster(THREE, clusters=5).clusters) == 5


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(random):
    order = list(range(len(THREE)))
    random.shuffle(order)
    for method in ("kmeans", "dbscan"):
        plain = cluster(THREE, method=method, clusters=None)
        mixed = cluster(THREE.iloc[order], method=method)
        assert (mixed.numbers == plain.numbers[order]).all()
        sizes = [(one.number, one.size) for one in plain.clusters]
        assert [(one.number, one.size) for one in mixed.clusters] == sizes


def test_the_same_seed_gives_the_same_clusters():
    noisy = customers((300, 30, 5, 200), seed=3)
    one, other = cluster(noisy, seed=4), cluster(noisy, seed=4)
    assert (one.numbers == other.numbers).all()
    assert one.params == other.params


def test_an_outlier_is_in_no_cluster_of_dbscan():
    frame = pd.concat([THREE, customers((1, 3000, 900, 1e7))], ignore_index=True)
    assert cluster(frame, method="dbscan").numbers[-1] == NOISE


def test_customers_who_gave_back_more_than_they_paid_have_a_place():
    frame = customers((30, 10, 2, -500), (30, 10, 2, 500))
    assert [one.monetary > 0 for one in cluster(frame, clusters=2).clusters] == [True, False]


@pytest.mark.parametrize(
    ("frame", "clusters"),
    [
        (THREE.head(19), None),
        (THREE.head(39), 4),
        (pd.DataFrame({"recency_days": [1] * 50, "frequency": 1, "monetary": 1}), None),
    ],
)
def test_too_few_customers_are_refused(frame, clusters):
    with pytest.raises(TooFewRows, match="clusters need at least"):
        cluster(frame, clusters=clusters)


def test_a_missing_column_is_named():
    with pytest.raises(UnknownColumns, match="frequency"):
        cluster(THREE.drop(columns="frequency"))
