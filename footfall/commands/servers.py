"""Start, stop and look at the local servers."""

import sys
from typing import Annotated, Any

import typer

from footfall.commands.console import AsJson, tell

app = typer.Typer()


@app.command()
def up(
    airflow: Annotated[bool, typer.Option("--airflow", help="Start Airflow too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the local Postgres, Redis and Kafka, and bring the tables up to date."""
    from footfall.stack.servers import up as start

    _tell_status(start(airflow=airflow).as_dict(), as_json)


@app.command()
def down(as_json: AsJson = False) -> None:
    """Stop the local servers; their data stays."""
    from footfall.stack.servers import down as stop

    stop()
    tell({"stopped": True}, "stopped; the data stays (footfall reset deletes it)", as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say which servers run, where, and whether they answer. Exit 1 when one does not."""
    from footfall.stack.servers import status as look

    report = look().as_dict()
    _tell_status(report, as_json)
    if not all(service["healthy"] for service in report["services"].values()):
        raise typer.Exit(1)


def _tell_status(report: dict[str, Any], as_json: bool) -> None:
    parts = []
    for name, service in [*report["services"].items(), ("airflow", report.get("airflow") or {})]:
        if not service.get("url") and name == "airflow":
            continue
        where = service.get("dsn") or service.get("url") or service.get("bootstrap") or "-"
        kind = f" ({service['kind']})" if service.get("kind") else ""
        word = "healthy" if service["healthy"] else "DOWN"
        parts.append(f"{name}{kind} {word} {_without_password(str(where))}")
    tell(report, "; ".join(parts), as_json)


def _without_password(address: str) -> str:
    from urllib.parse import urlsplit

    try:
        password = urlsplit(address).password
    except ValueError:
        password = None
    return address.replace(f":{password}@", ":***@") if password else address


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False
) -> None:
    """Stop the local servers and delete their data."""
    from footfall.settings import settings
    from footfall.stack.servers import reset as wipe

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Delete everything under {settings().home}?", abort=True, err=True)
    wipe()
    tell({"deleted": str(settings().home)}, f"deleted {settings().home}", as_json)
