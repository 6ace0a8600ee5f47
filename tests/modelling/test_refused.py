"""What must not be learnt from is refused in its own words, from the warehouse to promotion."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from footfall.errors import FootfallError, GateStopped, NotBetter, NotReady
from footfall.modelling.models import list_models
from footfall.modelling.promotion import promote
from footfall.modelling.training import train
from tests.ml.samples import SPLIT, snapshots
from tests.modelling.shop import CUSTOMERS, NOW

PLANTED = "days_since_last_browse"  # 0 for everybody in the samples


def leak(frame: pd.DataFrame) -> None:
    """Copy the label into a feature, with noise."""
    chance = np.random.default_rng(3)
    frame[PLANTED] = np.abs(5.0 * frame["label"] + chance.normal(0.0, 2.0, len(frame)))


def shuffled(frame: pd.DataFrame) -> None:
    """Give each week's labels to other customers."""
    chance = np.random.default_rng(4)
    frame["label"] = frame.groupby("as_of")["label"].transform(chance.permutation)


def constant(frame: pd.DataFrame) -> None:
    """Let a feature say something of one customer in a hundred, and be right."""
    rare = np.random.default_rng(5).random(len(frame)) < 0.0085
    frame[PLANTED] = rare.astype(float)
    frame.loc[rare, "label"] = 1.0


def future(frame: pd.DataFrame) -> None:
    """Let one customer's last order lie three days after as_of."""
    frame.loc[frame.index[-1], "days_since_last_order"] = -3.0


def rare(frame: pd.DataFrame) -> None:
    """Leave three who come back in the weeks to train on."""
    early = frame["as_of"].isin(list(SPLIT.train))
    frame.loc[early, "label"] = 1.0
    frame.loc[frame.index[early][:3], "label"] = 0.0


@pytest.mark.parametrize(
    ("plant", "error", "told"),
    [
        (leak, NotBetter, rf"{PLANTED} alone has an AUC of 0\.9.*copy the label"),
        (shuffled, NotBetter, "labels and features do not belong together"),
        (constant, NotBetter, rf"{PLANTED} has one value in 99\.\d% of the rows"),
        (future, GateStopped, r"later_than_as_of\).*: days_since_last_order"),
        (rare, NotReady, r"3 of them negatives.*at least 20"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_is_refused_in_its_own_words(
    shop, plant: Callable[[pd.DataFrame], None], error: type[FootfallError], told: str
):
    # the trees read what is rare only where a leaf can hold enough of it
    frame = snapshots(customers=10 * CUSTOMERS if plant is constant else CUSTOMERS)
    plant(frame)
    shop.fill(frame)
    with pytest.raises(error, match=told):
        promote(train("churn", now=NOW).model_id, now=NOW, actor="test")
    assert [model.state for model in list_models() if model.state == "champion"] == []
