"""What is predicted: two labels, each with its horizon and its population.

A label belongs to a snapshot: features know what happened before ``as_of``, the label what happens
in ``[as_of, as_of + horizon)``. It may be used by whoever stands at ``as_of + horizon`` or later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Label:
    """One yes-or-no question about a customer at a snapshot.

    Attributes:
        name: the model's name.
        column: the column of ``analytics.customer_labels``; null outside the population.
        horizon: how far the label looks.
        question: what a probability of 1 means, in words.
        population: who is asked about, in words.
        activity_column: the feature that is greater than 0 for the population; None = everyone.
        more: the word for a contribution that raises the probability.
        less: the word for one that lowers it.
    """

    name: str
    column: str
    horizon: timedelta
    question: str
    population: str
    activity_column: str | None
    more: str
    less: str

    def known_at(self, as_of: datetime) -> datetime:
        """Return the first instant at which the label of the snapshot ``as_of`` is known."""
        return as_of + self.horizon


PURCHASE = Label(
    name="purchase",
    column="purchased_within_7_days",
    horizon=timedelta(days=7),
    question="places an order within 7 days",
    population="every customer seen before as_of",
    activity_column=None,
    more="more likely to buy",
    less="less likely to buy",
)

CHURN = Label(
    name="churn",
    column="churned_within_30_days",
    horizon=timedelta(days=30),
    question="places no order within 30 days",
    population="customers with an order in the 90 days before as_of",
    activity_column="order_count_90d",
    more="more likely to leave",
    less="less likely to leave",
)

LABELS = {label.name: label for label in (PURCHASE, CHURN)}
