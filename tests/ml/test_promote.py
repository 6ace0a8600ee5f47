"""Only the better model takes the champion's place."""

import dataclasses

import pytest

from ml.evaluate import Metrics
from ml.promote import decide

CHAMPION = Metrics(
    rows=1000,
    positives=140,
    base_rate=0.14,
    auc=0.86,
    average_precision=0.46,
    log_loss=0.29,
    base_rate_log_loss=0.405,
    brier=0.09,
    ece_equal_count=0.01,
    ece_equal_width=0.01,
    lift_top_decile=3.8,
)


def _other(**changes: float) -> Metrics:
    return dataclasses.replace(CHAMPION, **changes)


def test_the_first_of_its_name_is_promoted():
    assert decide(CHAMPION, None).promoted


@pytest.mark.parametrize(
    ("changes", "promoted"),
    [
        ({"log_loss": 0.28}, True),
        ({"log_loss": 0.28, "auc": 0.859}, True),
        ({"log_loss": 0.28, "auc": 0.85}, False),
        ({"log_loss": 0.29}, False),
        ({"log_loss": 0.30, "auc": 0.90}, False),
    ],
)
def test_a_challenger_needs_the_lower_log_loss_and_no_worse_ranking(changes, promoted):
    decision = decide(_other(**changes), CHAMPION)
    assert decision.promoted is promoted
    assert "1000 rows" in decision.reason
