"""What the demo shows: figures, models, records as Redis holds them, pages to open."""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from footfall.modelling.models import label_of
from footfall.settings import settings
from footfall.warehouse import figures, models, verdicts
from footfall.warehouse.connection import connect

CUSTOMERS = 3
REDIS_SECONDS = 10


def show(seconds: Mapping[str, float], airflow: Mapping[str, Any], docs: str) -> None:
    """Print everything, in the order of the path."""
    _say("\nSeconds")
    for name, took in seconds.items():
        _say(f"  {took:6.1f}  {name}")
    _say(f"  {sum(seconds.values()):6.1f}  in all")
    _show_figures()
    _show_models()
    shown = _show_records()
    _show_addresses(airflow, docs, shown)


def pending_loads() -> bool:
    """Say whether events wait for a build."""
    with connect() as connection:
        return bool(verdicts.pending_loads(connection))


def champions() -> list[str]:
    """Return the names of the models that are champions."""
    with connect() as connection:
        return [model.name for model in models.champions(connection)]


def stored_events() -> int:
    """Return how many events are stored."""
    with connect() as connection:
        return figures.figures(connection).stored


def is_published(now: datetime) -> bool:
    """Say whether readers get a publication that is fresh."""
    from footfall.publish.publication import publications

    with _redis() as redis:
        current = redis.get("ff:current")
    return current is not None and any(
        row.version == current and row.state == "live" for row in publications(now=now)
    )


def _show_figures() -> None:
    with connect() as connection:
        held = figures.figures(connection)
    _say("\nEvents")
    _say(f"  {held.stored:,} loaded, {held.duplicates:,} duplicates, {held.rejected:,} rejected")
    _say(
        f"  {held.orders:,} orders of {held.customers:,} customers, net revenue "
        f"{held.net_revenue:,.2f} USD"
    )


def _show_models() -> None:
    from ml.kinds import kind_of

    _say("\nModels, on the customers of a day later than all they have learnt from")
    with connect() as connection:
        champions = models.champions(connection)
    for model in champions:
        kind = kind_of(label_of(model))
        _say(f"  {model.model_id}, {model.metrics['rows']:,.0f} customers")
        _say(f"    {'the model':26} {kind.line(model.metrics)}")
        for name, metrics in model.metrics["baselines"].items():
            _say(f"    {name:26} {kind.line(metrics)}")


def _show_records() -> list[str]:
    """Print a few customers' records; return their ids."""
    from footfall.publish.publication import publications

    with _redis() as redis, connect() as connection:
        version = redis.get("ff:current")
        live = next(row for row in publications() if row.version == version)
        customers = figures.customers_to_show(connection, live.score_set, CUSTOMERS)
        _say(f"\nRecords, as Redis holds them (publication {version}, {live.records:,} records)")
        for customer in customers:
            key = f"ff:{version}:c:{customer}"
            _say(f"  HGETALL {key}")
            for field, value in sorted(redis.hgetall(key).items()):
                _say(f"    {field}: {value}")
    return customers


def _show_addresses(airflow: Mapping[str, Any], docs: str, customers: list[str]) -> None:
    _say("\nLook at")
    _say(f"  Airflow          {airflow['url']}  ({airflow['username']} / {airflow['password']})")
    _say(f"  tables' docs     {docs}")
    for name, report in _write_reports().items():
        _say(f"  audit, {name:9s} {report}")
    for customer in customers[:1]:
        _say(f"  a record         .venv/bin/footfall lookup {customer}")
        _say(f"  its reasons      .venv/bin/footfall explain {customer}")
    _say("  stop all         make down")


def _write_reports() -> dict[str, Path]:
    """Write the champions' audit reports to files; return them by model name."""
    folder = settings().home / "reports"
    folder.mkdir(exist_ok=True)
    written = {}
    with connect() as connection:
        for model in models.champions(connection):
            written[model.name] = folder / f"{model.name}.html"
            written[model.name].write_text(models.report(connection, model.model_id))
    return written


def _redis() -> Any:
    from footfall.storefront.address import Address

    return Address(settings().redis, timeout=REDIS_SECONDS).connect_to_publish()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
