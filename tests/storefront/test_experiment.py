"""The arm of an experiment: what anybody can compute again."""

import hashlib
import shutil
import subprocess
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.storefront.experiment import Experiment

BANNER = Experiment.parse("banner-2026", "treatment=90,holdout=10")
CUSTOMERS = [f"c{number:020x}" for number in range(20_000)]


@given(st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_an_arm_follows_from_the_documented_hash(customer_id: str, name: str):
    digits = hashlib.sha256(f"{name}:{customer_id}".encode()).hexdigest()[:8]
    expected = "treatment" if int(digits, 16) / 2**32 < 0.9 else "holdout"
    assert Experiment.parse(name, "treatment=90,holdout=10").arm(customer_id) == expected


def test_a_shell_finds_the_same_arm():
    bash = shutil.which("bash")
    assert bash
    script = (
        "h=$(printf %s banner-2026:$1 | sha256sum | cut -c1-8);"
        " (( 16#$h * 100 < 90 * 4294967296 )) && echo treatment || echo holdout"
    )
    for customer_id in CUSTOMERS[:20]:
        told = subprocess.check_output([bash, "-c", script, "bash", customer_id], text=True)
        assert told.strip() == BANNER.arm(customer_id)


def test_shares_are_as_they_were_set_and_independent_of_another_experiment():
    other = Experiment.parse("prices-2026", "treatment=90,holdout=10")
    pairs = Counter((BANNER.arm(name), other.arm(name)) for name in CUSTOMERS)
    shares = {arms: count / len(CUSTOMERS) for arms, count in pairs.items()}
    for arms, expected in {
        ("treatment", "treatment"): 0.81,
        ("treatment", "holdout"): 0.09,
        ("holdout", "treatment"): 0.09,
        ("holdout", "holdout"): 0.01,
    }.items():
        assert shares[arms] == pytest.approx(expected, abs=4 * (expected / len(CUSTOMERS)) ** 0.5)


def test_a_greater_share_moves_nobody_out_of_it():
    wider = Experiment.parse("banner-2026", "treatment=95.5,holdout=4.5")
    assert all(
        wider.arm(name) == "treatment" for name in CUSTOMERS if BANNER.arm(name) == "treatment"
    )


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ("", "no list such as"),
        ("treatment", "no list such as"),
        ("treatment=90;holdout=10", "no list such as"),
        ("treatment=-10,holdout=110", "no list such as"),
        ("a=50,a=50", "no list such as"),
        ("treatment=90,holdout=9.5", "come to 99.5 percent"),
    ],
)
def test_arms_that_are_none_are_refused(arms: str, words: str):
    with pytest.raises(ValueError, match=words):
        Experiment.parse("banner", arms)


def test_thirds_leave_nobody_out():
    thirds = Experiment.parse("x", "a=33.3333333333,b=33.3333333333,c=33.3333333334")
    assert set(map(thirds.arm, CUSTOMERS[:100])) == {"a", "b", "c"}
