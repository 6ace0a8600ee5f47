"""What every subcommand shares: its options' types, one line or one JSON object, a progress bar."""

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from footfall.errors import BadArgument


def instant(text: str) -> datetime:
    """Read an ISO 8601 instant; a bare date, or no offset, means UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no ISO 8601 instant, such as 2017-12-02 or 2017-12-02T10:30:00Z"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        parser=instant,
        metavar="T",
        help="Know nothing later than this. Default: the midnight UTC after the newest event.",
    ),
]
Since = Annotated[
    datetime | None, typer.Option(parser=instant, metavar="T", help="From this instant on.")
]
Until = Annotated[
    datetime | None, typer.Option(parser=instant, metavar="T", help="Before this instant.")
]


def tell(result: Any, line: str, as_json: bool) -> None:
    """Print what was done: ``line``, or the result as one JSON object."""
    if as_json:
        import msgspec

        builtins = result if isinstance(result, dict) else msgspec.to_builtins(result)
        sys.stdout.write(msgspec.json.encode(builtins).decode() + "\n")
    else:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """Yield ``advance(done, total=None)``: a bar on a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)


def check_window(since: datetime | None, until: datetime | None) -> None:
    """Refuse a window that ends before it starts.

    Raises:
        BadArgument: since is not before until.
    """
    if since and until and since >= until:
        raise BadArgument(
            f"--since {since.isoformat()} is not before --until {until.isoformat()}; "
            "since is inclusive, until exclusive"
        )


def now() -> datetime:
    """The wall clock enters Footfall here, and nowhere below."""
    return datetime.now(UTC)


def actor() -> str:
    """Return who gives this command, for the audit log."""
    return getpass.getuser()
