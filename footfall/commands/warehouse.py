"""Check the doors, build the tables, write their docs."""

from typing import Annotated, Literal

import typer

from footfall.commands.console import AsJson, AsOf, now, tell
from footfall.errors import BadArgument

app = typer.Typer()


@app.command()
def gate(
    door: Annotated[Literal["raw", "features", "scores"], typer.Argument(help="Which door.")],
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Check one of the three doors with Great Expectations. Exit 3 when it says stop."""
    from footfall.gates.check import check_features, check_raw, check_scores

    if as_of and door != "features":
        raise BadArgument(f"--as-of belongs to the door features, not to {door}")
    if door == "raw":
        verdict = check_raw()
    elif door == "features":
        verdict = check_features(as_of)
    else:
        verdict = check_scores()
    failed = "; ".join(str(failure) for failure in verdict.failures) or "no expectation failed"
    tell(
        verdict,
        f"gate {verdict.gate} {verdict.subject}: {verdict.verdict} ({verdict.rows_checked:,} rows, "
        f"{verdict.evaluated} of {verdict.expected} expectations checked; {failed})",
        as_json,
    )
    if verdict.verdict == "stop":
        raise typer.Exit(3)


@app.command()
def build(
    as_of: AsOf = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild every table from raw.events.")
    ] = False,
    keep_built: Annotated[
        bool,
        typer.Option(
            "--keep-built",
            help="Go on by changed rules without building everything anew.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run dbt from raw rows to the features of one instant."""
    from footfall.path import gated_build

    if full_refresh and keep_built:
        raise BadArgument("--full-refresh keeps nothing: leave out --keep-built")
    built = gated_build(as_of, full_refresh=full_refresh, keep_built=keep_built)
    tell(
        built,
        f"built as of {built.as_of.isoformat()}: {built.models} models, {built.tests} tests, "
        f"{built.loads} new loads in {built.seconds:.1f} s; {built.report.line()}",
        as_json,
    )


@app.command()
def builds(
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the last builds and what each changed, the newest first."""
    import msgspec

    from footfall.warehouse.build_report import past_builds

    past = past_builds(limit)
    lines = "\n".join(build.line() for build in past) or "nothing is built; run: footfall build"
    tell({"builds": msgspec.to_builtins(past)}, lines, as_json)


@app.command()
def monitor(as_json: AsJson = False) -> None:
    """Check that events come in, and as many as usual. Exit 1 when they do not."""
    from footfall.warehouse.monitor import monitor as look

    seen = look()
    tell(seen, seen.lines(), as_json)
    if not seen.is_healthy:
        raise typer.Exit(1)


@app.command()
def docs(
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page to this machine, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Of --serve. Default: 18090, or a free one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the dbt docs (tables, columns, lineage) as one HTML file."""
    from footfall.warehouse.docs import generate_docs, serve_docs

    page = generate_docs(now=now())
    if serve:
        serve_docs(
            page,
            port,
            lambda url: tell(
                {"path": str(page), "url": url}, f"wrote {page}; read it at {url}", as_json
            ),
        )
    else:
        tell({"path": str(page)}, f"wrote {page}", as_json)
