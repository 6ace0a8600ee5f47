"""Send events to Kafka, load them, look after the rejected ones."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from footfall.commands.console import AsJson, Since, Until, check_window, progress, tell
from footfall.errors import BadArgument

if TYPE_CHECKING:
    from footfall.ingest.micro_batch import Ingested

app = typer.Typer()
reject_app = typer.Typer(help="Records that were set aside.", no_args_is_help=True)
app.add_typer(reject_app, name="reject")


@app.command()
def replay(
    source: Annotated[
        str, typer.Argument(help="complete-journey, simulate, FILE.jsonl[.gz] or FILE.csv[.gz]")
    ],
    since: Since = None,
    until: Until = None,
    topic: Annotated[
        str | None, typer.Option(help="Default: the first of FOOTFALL_TOPICS.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Events per second.", min=0.001)] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many events.", min=0)] = None,
    mapping: Annotated[
        str | None,
        typer.Option(metavar="MAPPING.yml", help="CSV: its mapping file, or rees46."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="simulate: which shop. Default: 1.")] = None,
    customers: Annotated[
        int | None, typer.Option(help="simulate: default 2,000, or what --limit needs.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="simulate: how long. Default: the year 2024.")
    ] = None,
    malformed: Annotated[
        float | None, typer.Option(help="simulate: share of bad records. Default: 0.01.")
    ] = None,
    duplicates: Annotated[
        float | None, typer.Option(help="simulate: share sent twice. Default: 0.01.")
    ] = None,
    late: Annotated[
        float | None, typer.Option(help="simulate: share that arrives late. Default: 0.02.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="simulate: write what was sent, and about whom, as JSON lines."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a source's events to Kafka."""
    from footfall.events.producer import send
    from footfall.events.sources import check_mapping, limited, open_source

    check_window(since, until)
    check_mapping(source, mapping)
    options = {
        "seed": seed,
        "customers": customers,
        "days": days,
        "malformed": malformed,
        "duplicates": duplicates,
        "late": late,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    shop = None
    if source == "simulate":
        from footfall.events.sources import simulate

        plan = simulate.plan(since=since, until=until, limit=limit, **given)
        shop = simulate.Shop(plan)
        messages = limited(shop.messages(), limit)
    elif given or truth:
        option = next(iter(given), "truth")
        raise BadArgument(f"--{option} is for the source simulate, not for {source}; leave it out")
    else:
        messages = open_source(source, since=since, until=until, limit=limit, mapping=mapping)
    with _opened(truth) as file, progress(f"replay {source}") as advance:
        sent = send(messages, topic=topic, rate=rate, on_progress=lambda done: advance(done, limit))
        if file and shop:
            _write_lines(file, shop.truth())
    facts = f" and {sent.catalog_records:,} product facts to {sent.catalog_topic}"
    tell(
        sent,
        f"sent {sent.records:,} events to {sent.topic}{facts if sent.catalog_records else ''} "
        f"in {sent.seconds:.1f} s",
        as_json,
    )


@app.command()
def ingest(
    once: Annotated[bool, typer.Option("--once", help="One micro-batch.")] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="To the end of every partition (default).")
    ] = False,
    since: Since = None,
    until: Until = None,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Go on where Kafka has lost records.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Load events and the catalog from Kafka, exactly once; a window of events is loaded again."""
    check_window(since, until)
    windowed = since is not None or until is not None
    if once and (until_caught_up or windowed):
        raise BadArgument("--once excludes --until-caught-up and a window; give one")
    if windowed:
        from footfall.ingest.window import ingest_window

        done = ingest_window(since, until)
        tell(done, _read(done), as_json)
        return
    from footfall.ingest.catalog import load_catalog
    from footfall.ingest.micro_batch import ingest_until_caught_up
    from footfall.ingest.side_by_side import ingest_side_by_side

    with progress("ingest") as advance:
        if once:
            done = ingest_until_caught_up(most_loads=1, accept_gap=accept_gap, on_progress=advance)
        else:
            done = ingest_side_by_side(accept_gap=accept_gap, on_progress=advance)
        catalog = load_catalog(most_loads=1 if once else None, accept_gap=accept_gap)
    told = f"{_read(done)}; catalog: {_read(catalog)}" if catalog.records_read else _read(done)
    tell(asdict(done) | {"catalog": asdict(catalog)}, told, as_json)


def _read(done: "Ingested") -> str:
    return (
        f"read {done.records_read:,} = stored {done.stored:,} + duplicate {done.duplicates:,} + "
        f"rejected {done.rejected:,} in {done.seconds:.1f} s"
    )


@reject_app.command("list")
def reject_list(as_json: AsJson = False) -> None:
    """Count the rejected records by reason and event name, each with an example."""
    from footfall.ingest.rejects import list_rejects

    groups = list_rejects()
    lines = [
        f"{group.reason} {group.event_name or '-'} {group.count:,} e.g. {group.detail}"
        for group in groups
    ]
    import msgspec

    tell(
        {"rejects": msgspec.to_builtins(groups)}, "\n".join(lines) or "nothing is rejected", as_json
    )


@reject_app.command("replay")
def reject_replay(as_json: AsJson = False) -> None:
    """Read the rejected records again, after a fix; load those that are valid now, exactly once."""
    from footfall.ingest.rejects import replay_rejects

    done = replay_rejects()
    tell(
        done,
        f"read {done.records_read:,} rejected records again: stored {done.stored:,}, duplicate "
        f"{done.duplicates:,}, still rejected {done.rejected:,}",
        as_json,
    )


def _opened(path: Path | None) -> AbstractContextManager[BinaryIO | None]:
    """Open a file to write to before anything is sent, so that no work is lost."""
    try:
        return nullcontext(None) if path is None else path.open("wb")
    except OSError as error:
        raise BadArgument(f"cannot write {path}: {error.strerror or error}") from None


def _write_lines(file: BinaryIO, lines: Iterable[dict[str, Any]]) -> None:
    import msgspec

    encode = msgspec.json.Encoder().encode
    file.writelines(encode(line) + b"\n" for line in lines)
