"""The models on the real shop's year, each on days that it has not seen: ``churn``, ``value``."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from bench import history
from bench.server import database
from footfall.events.decode import decode
from footfall.events.event import Event
from footfall.events.sources import complete_journey
from footfall.modelling.training import TrainedModel, train
from footfall.warehouse.build import build

AS_OF = datetime(2018, 1, 2, tzinfo=UTC)  # the year, and labels of 30 days from 2017-12-02
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)
EVENTS_AT_ONCE = 20_000
CLASSES, AMOUNTS = ("churn", "purchase"), ("value",)
WANTED = {"churn": "0.87 / 0.49 / 0.02", "purchase": "–"}


def measure(
    admin_dsn: str, names: Sequence[str], *, say: Callable[[str], None]
) -> list[TrainedModel]:
    """Store the year, build it with its weekly snapshots, and train the models of these names."""
    with database("real_year", admin_dsn):
        say(f"{names[0]}: storing the real shop's year")
        stored = history.store(events(), at_once=EVENTS_AT_ONCE)
        say(f"{names[0]}: {stored.events:,} events, building all of it")
        build(AS_OF)
        trained = []
        for name in names:
            say(f"{names[0]}: training {name}")
            trained.append(train(name, AS_OF, now=AS_OF))
        return trained


def events() -> Iterator[Event]:
    """Yield the year's events."""
    for message in complete_journey.messages():
        event = decode(message.value, received_at=AS_OF, first_day=FIRST_DAY)
        assert isinstance(event, Event), event
        yield event


def show(trained: Sequence[TrainedModel], *, load: str) -> None:
    """Print a row per model and baseline, on the same customers."""
    table = Table(title=f"churn: the real shop's year, as of {AS_OF.date()} ({load})")
    table.add_column("model")
    headings = ("holdout", "customers", "AUC", "AP", "log loss", "calibration\nerror")
    for heading in (*headings, "wanted: AUC\n/ AP / error"):
        table.add_column(heading, justify="right")
    for one in trained:
        rows = {one.name: one.metrics, "… of customers never seen": one.unseen_customers}
        rows |= {f"… {name}": metrics for name, metrics in one.baselines.items()}
        for name, metrics in rows.items():
            table.add_row(
                name,
                str(one.holdout.date()),
                f"{metrics['rows']:,}",
                f"{metrics['auc']:.3f}",
                f"{metrics['average_precision']:.3f}",
                f"{metrics['log_loss']:.4f}",
                f"{metrics['ece_equal_count']:.3f}",
                WANTED[one.name] if metrics is one.metrics else "",
            )
    Console(width=None if Console().is_terminal else 120).print(table)


def show_amounts(trained: Sequence[TrainedModel], *, load: str) -> None:
    """Print a row per model of amounts and baseline, on the same customers."""
    table = Table(title=f"value: the real shop's year, as of {AS_OF.date()} ({load})")
    table.add_column("model")
    headings = ("customers", "MAE", "RMSE", "Gini", "Spearman", "deviance", "D²")
    for heading in (*headings, "predicted /\nobserved", "error of\na tenth", "lift, top\ntenth"):
        table.add_column(heading, justify="right")
    for one in trained:
        rows = {f"{one.name}, {one.holdout.date()}": one.metrics}
        rows |= {"… of customers never seen": one.unseen_customers}
        rows |= {f"… {name}": metrics for name, metrics in one.baselines.items()}
        for name, metrics in rows.items():
            table.add_row(
                name,
                f"{metrics['rows']:,}",
                f"{metrics['mae']:.1f}",
                f"{metrics['rmse']:.1f}",
                f"{metrics['gini']:.3f}",
                f"{metrics['spearman']:.3f}",
                f"{metrics['deviance']:.3f}",
                f"{metrics['d2']:.3f}",
                f"{metrics['bias']:.3f}",
                f"{metrics['decile_error']:.3f}",
                f"{metrics['lift_top_decile']:.2f}",
            )
    Console(width=None if Console().is_terminal else 140).print(table)
