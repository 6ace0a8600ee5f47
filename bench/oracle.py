"""How near the models come to somebody who knows the customers' secret; the part ``oracle``.

The simulated shop draws each order from rates that nobody tells it (``footfall replay simulate
--truth``). Who knows them at as_of cannot foresee chance, and so is the best that can be.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from bench import history
from bench.server import database
from footfall.events.sources.simulate import Shop, plan
from footfall.events.sources.simulate.customers import FADED, FADING_MS
from footfall.modelling.models import holdout_as_of
from footfall.modelling.training import train
from footfall.warehouse import features, models
from footfall.warehouse.build import build
from footfall.warehouse.connection import transaction
from ml.features import RFM
from ml.labels import LABELS

DAYS = 365
END = history.FIRST_DAY + timedelta(days=DAYS)
EVENTS_AT_ONCE = 20_000
TARGET = 0.95  # of the oracle's AUC
NAMES = ("churn", "purchase")  # what the rates of orders tell of
FADING = timedelta(milliseconds=FADING_MS)


@dataclass(frozen=True)
class Beside:
    """One model and the oracle on the same customers."""

    name: str
    customers: int
    as_of: datetime
    metrics: Mapping[str, float]
    oracle_auc: float

    @property
    def share(self) -> float:
        """The model's AUC as a share of the oracle's."""
        return self.metrics["auc"] / self.oracle_auc


def measure(admin_dsn: str, *, customers: int, say: Callable[[str], None]) -> list[Beside]:
    """Simulate a shop's year, build it, train both models and ask the oracle.

    Args:
        admin_dsn: of the server of `bench.server.counting_postgres`.
        customers: how many people ever come.
        say: tells how far it is.
    """
    with database("oracle", admin_dsn):
        say(f"oracle: simulating {customers:,} customers over {DAYS} days")
        period = {"since": history.FIRST_DAY, "until": END}
        shop = Shop(plan(customers=customers, **period, malformed=0, duplicates=0, late=0))
        stored = history.store(history.events_of(shop, received_at=END), at_once=EVENTS_AT_ONCE)
        say(f"oracle: {stored.events:,} events, building all of it")
        build(END)
        people = [line for line in shop.truth() if line["kind"] == "customer"]
        found = []
        for name in NAMES:
            say(f"oracle: training {name}")
            found.append(_ask(name, people))
        return found


def _ask(name: str, people: Iterable[Mapping[str, Any]]) -> Beside:
    trained = train(name, END, now=END)
    with transaction() as connection:
        holdout = holdout_as_of(models.find_model(connection, trained.model_id))
        frame = features.read_labelled(connection, LABELS[name], [holdout], RFM)
        owners = {
            (kind, external_id): customer_id
            for kind, external_id, customer_id in connection.execute(
                "select id_kind, external_id, customer_id from analytics.customer_identities"
            )
        }
    rates = order_rates(people, owners, holdout)
    return Beside(
        name=name,
        customers=len(frame),
        as_of=holdout,
        metrics=trained.metrics,
        oracle_auc=auc_of_rates(frame, rates, ordering=name == "purchase"),
    )


def order_rates(
    people: Iterable[Mapping[str, Any]], owners: Mapping[tuple[str, str], str], as_of: datetime
) -> dict[str, float]:
    """Return the expected orders per day at as_of, by customer_id.

    A customer_id with user ids is these users'; one of devices alone is theirs who use them.

    Args:
        people: the customers of the truth.
        owners: the customer_id by kind of id (user, anonymous) and id.
        as_of: who has left by then orders no more; who is about to leave comes less.
    """
    users, devices = defaultdict[str, float](float), defaultdict[str, float](float)
    for person in people:
        rate = _rate(person, as_of)
        own = owners.get(("user", person["user_id"] or ""))
        if own is not None:
            users[own] += rate
        for customer_id in {owners.get(("anonymous", one)) for one in person["anonymous_ids"]}:
            if customer_id is not None:
                devices[customer_id] += rate
    return {**devices, **users}


def _rate(person: Mapping[str, Any], as_of: datetime) -> float:
    rate = float(person["visits_per_day"]) * float(person["buys_per_visit"])
    left = person["churned_at"] and datetime.fromisoformat(person["churned_at"])
    if left and left <= as_of:
        return 0.0
    return rate * (FADED if left and left - as_of < FADING else 1.0)


def auc_of_rates(frame: pd.DataFrame, rates: Mapping[str, float], *, ordering: bool) -> float:
    """Return the AUC of the rates for these labels.

    Args:
        frame: ``customer_id`` and ``label``.
        rates: orders per day by customer_id; whoever is missing has none.
        ordering: whether a label of 1 means an order; False = it means none.
    """
    scores: NDArray[np.float64] = np.array([rates.get(who, 0.0) for who in frame["customer_id"]])
    return float(roc_auc_score(frame["label"], scores if ordering else -scores))


def show(found: Sequence[Beside], *, load: str) -> None:
    """Print a row per model."""
    table = Table(title=f"oracle: the simulated shop, {DAYS} days ({load})")
    table.add_column("model")
    headings = ("as of", "customers", "AUC", "oracle's\nAUC", "share", "wanted", "AP")
    for heading in (*headings, "calibration\nerror"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            one.name,
            str(one.as_of.date()),
            f"{one.customers:,}",
            f"{one.metrics['auc']:.3f}",
            f"{one.oracle_auc:.3f}",
            f"{one.share:.3f}",
            f"{TARGET}",
            f"{one.metrics['average_precision']:.3f}",
            f"{one.metrics['ece_equal_count']:.3f}",
        )
    Console(width=None if Console().is_terminal else 120).print(table)
