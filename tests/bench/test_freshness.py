"""The section ``freshness``: what counts as seen, and what never does."""

from datetime import UTC, datetime, timedelta
from math import inf

from bench.freshness import percentile, seen_at

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def after(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_what_never_appeared_counts_among_the_slowest():
    assert percentile([3, 1, 2, inf], 0.5) == 2
    assert percentile([3, 1, 2, inf], 0.75) == 3
    assert percentile([3, 1, 2, inf], 0.95) == inf
    assert percentile([], 0.5) == inf


def test_a_sample_is_seen_once_its_product_is_named_and_scores_that_knew_it_are_live():
    live = [(after(10), 4), (after(70), 6)]
    assert seen_at(after(20), 4, live) == after(20)
    assert seen_at(after(20), 5, live) == after(70)  # set 5 was skipped, 6 knows as much
    assert seen_at(after(20), 7, live) is None
    assert seen_at(None, 4, live) is None
    assert seen_at(after(20), None, live) is None
