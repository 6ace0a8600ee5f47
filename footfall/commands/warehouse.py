"""Check the doors, build the tables, write their docs."""

from typing import Annotated, Literal

import typer

from footfall.commands.console import AsJson, AsOf, tell
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
    as_json: AsJson = False,
) -> None:
    """Run dbt from raw rows to the features of one instant."""
    from footfall.path import gated_build

    built = gated_build(as_of, full_refresh=full_refresh)
    tell(
        built,
        f"built as of {built.as_of.isoformat()}: {built.models} models, {built.tests} tests, "
        f"{built.loads} new loads in {built.seconds:.1f} s",
        as_json,
    )


@app.command()
def docs(as_json: AsJson = False) -> None:
    """Write the dbt docs (tables, columns, lineage) as one HTML file."""
    from footfall.warehouse.docs import generate_docs

    page = generate_docs()
    tell({"path": str(page)}, f"wrote {page}", as_json)
