"""Law 2: whatever the order and lateness of arrival, the increments equal one full build."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from footfall.warehouse import segment_rules
from footfall.warehouse.build import build, build_snapshots
from tests.conftest import set_environment
from tests.warehouse.random_shop import AS_OFS, SNAPSHOTS, Arrival, arrivals
from tests.warehouse.shop import erase, marts, rows, start_over, store

pytestmark = pytest.mark.unbuilt

# A build takes seconds: few examples of many events, and no shrinking. `make test-arrivals` tries
# others.
EXAMPLES = int(os.environ.get("ARRIVAL_EXAMPLES", "2"))
RANDOM = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="ARRIVAL_EXAMPLES" not in os.environ,
    print_blob=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

SEEDS = st.integers(0, 2**32)
RULES = Path(__file__).with_name("easy_segments")


@pytest.fixture(autouse=True)
def everybody_is_profiled(shop: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profile who never decided, by rules of segments that few events satisfy: fuller tables."""
    set_environment(monkeypatch, unknown_consent="allow")
    monkeypatch.setattr(segment_rules, "FOLDER", RULES)


@RANDOM
@given(seed=SEEDS, early=st.sampled_from(SNAPSHOTS), erased=st.sampled_from([None, "u:u3"]))
def test_increments_equal_a_full_build_on_every_mart(seed, early, erased):
    random = Random(seed)
    check_increments_equal_full(arrivals(random), early, erased, random)


def check_increments_equal_full(
    events: Sequence[Arrival], early: datetime, erased: str | None, random: Random
) -> None:
    """Compare; what a build takes in comes in several loads, in any order, or in two builds."""
    start_over()
    for number, as_of in enumerate(AS_OFS):
        if erased and number == len(AS_OFS) - 1:
            erase(erased)
        *loads, last = cut([arrival for arrival in events if arrival.load == number], random)
        for load in loads:
            store(arrival.envelope for arrival in load)
        if loads and random.random() < 0.5:
            build(as_of)
        store(arrival.envelope for arrival in last)
        build(as_of)
        if number == 1:
            build_snapshots([at for at in SNAPSHOTS if at <= as_of and at != early])
    build(early)
    increments = marts()
    build(AS_OFS[-1], full_refresh=True)
    full = marts()
    assert {name: len(kept) for name, kept in increments.items()} == {
        name: len(kept) for name, kept in full.items()
    }
    assert increments == full
    assert members("customer_segments") == members("segment_history", "where left_at is null")
    # the rules have said yes to somebody, most of them
    assert (
        len({segment for _, segment, kind, *_ in members("segment_history") if kind == "rule"}) > 3
    )


def cut(events: Sequence[Arrival], random: Random) -> list[list[Arrival]]:
    """Return the events in another order, as one load to four."""
    mixed = random.sample(events, len(events))
    edges = sorted(random.sample(range(1, len(mixed)), min(random.randrange(4), len(mixed) - 1)))
    return [mixed[since:until] for since, until in zip([0, *edges], [*edges, None], strict=True)]


def members(name: str, condition: str = "") -> list[tuple[Any, ...]]:
    """Return who is in which segment, by kind, version and since when."""
    return rows(
        "select customer_id, segment, kind, rule_version, entered_at"
        f" from analytics.{name} {condition} order by 1, 2, 3, 5"
    )
