"""What is predicted: one short file per label in the folder ml/labels.

A label belongs to a snapshot: features know what happened before ``as_of``, the label what happens
in ``[as_of, as_of + horizon)``. It may be used by whoever stands at ``as_of + horizon`` or later.
dbt's list of them is written from the same files (``ml.label_pages``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from ml.errors import InvalidLabel

FOLDER = Path(__file__).parent / "labels"
Outcome = Literal["order", "no_order", "discounted_order", "net_revenue"]
Kind = Literal["class", "amount"]
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,40}")
REQUIRED = frozenset({"column", "outcome", "days", "question", "population", "more", "less"})
OPTIONAL = frozenset({"asked_if"})


@dataclass(frozen=True)
class Label:
    """One question about a customer at a snapshot: whether they do something, or how much.

    Attributes:
        name: the model's name.
        column: the column of ``analytics.customer_labels``; null outside the population.
        outcome: what makes it true: an order within the horizon, none, or one with a discount; or
            what is summed: net revenue.
        horizon: how far the label looks.
        question: what a probability of 1 means, or the amount, in words that follow "a customer".
        population: who is asked about, in words.
        activity_column: the feature that is greater than 0 for the population; None = everyone.
        more: the word for a contribution that raises the prediction.
        less: the word for one that lowers it.
    """

    name: str
    column: str
    outcome: Outcome
    horizon: timedelta
    question: str
    population: str
    activity_column: str | None
    more: str
    less: str

    @property
    def kind(self) -> Kind:
        """Whether a yes or no is predicted, or an amount of money."""
        return "amount" if self.outcome == "net_revenue" else "class"

    def prediction(self, number: float) -> tuple[float | None, float | None]:
        """Return a prediction as a pair of probability and amount, one of which it is."""
        return (None, number) if self.kind == "amount" else (number, None)

    def known_at(self, as_of: datetime) -> datetime:
        """Return the first instant at which the label of the snapshot ``as_of`` is known."""
        return as_of + self.horizon


def read_labels(folder: Path = FOLDER) -> dict[str, Label]:
    """Return the labels of a folder by name, which is that of the file.

    Raises:
        InvalidLabel: a file does not say a label; names the file, the value and what may stand.
    """
    labels = [_label(path) for path in sorted(folder.glob("*.yml"))]
    columns = [label.column for label in labels]
    for label in labels:
        if columns.count(label.column) > 1:
            raise InvalidLabel(f"{label.name}.yml: another label has the column {label.column!r}")
    return {label.name: label for label in labels}


def _label(path: Path) -> Label:
    try:
        said = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InvalidLabel(f"{path.name} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(said, dict):
        raise InvalidLabel(f"{path.name} is no mapping; it needs {', '.join(sorted(REQUIRED))}")
    _check(path, said)
    return Label(
        name=path.stem,
        column=said["column"],
        outcome=said["outcome"],
        horizon=timedelta(days=said["days"]),
        question=said["question"],
        population=said["population"],
        activity_column=said.get("asked_if"),
        more=said["more"],
        less=said["less"],
    )


def _check(path: Path, said: Mapping[str, Any]) -> None:
    if lacking := sorted(REQUIRED - said.keys()):
        raise InvalidLabel(f"{path.name} lacks {', '.join(lacking)}")
    if unknown := sorted(map(str, said.keys() - REQUIRED - OPTIONAL)):
        raise InvalidLabel(f"{path.name} has {unknown[0]!r}, which no label has")
    for name in (path.stem, said["column"], said.get("asked_if", said["column"])):
        if not IDENTIFIER.fullmatch(str(name)):
            raise InvalidLabel(f"{path.name}: {name!r} is no name; use a-z, 0-9 and _")
    if said["outcome"] not in get_args(Outcome):
        raise InvalidLabel(
            f"{path.name}: the outcome {said['outcome']!r} is none of: "
            f"{', '.join(get_args(Outcome))}"
        )
    if type(said["days"]) is not int or said["days"] < 1:
        raise InvalidLabel(f"{path.name}: days is {said['days']!r}; it is a whole number from 1")


LABELS = read_labels()
PURCHASE, CHURN = LABELS["purchase"], LABELS["churn"]
