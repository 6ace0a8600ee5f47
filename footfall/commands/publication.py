"""Publish to Redis, read back, roll back."""

from typing import Annotated

import typer

from footfall.commands.console import AsJson, actor, now, tell

app = typer.Typer()


@app.command()
def publish(
    full: Annotated[
        bool, typer.Option("--full", help="Under a new version, however little has changed.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Also if it is too different from the live one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the newest complete score set to Redis: whole, or what it changes."""
    from footfall.path import gated_publish

    done = gated_publish(now=now(), actor=actor(), full=full, accept=accept)
    tell(done, done.line(), as_json)


listing = typer.Typer(help="List publications, the newest first; say more of them.")
app.add_typer(listing, name="publications")


@listing.callback(invoke_without_command=True)
def publications(context: typer.Context, as_json: AsJson = False) -> None:
    """List the publications, the newest first; say more of them."""
    if context.invoked_subcommand is not None:
        return
    import msgspec

    from footfall.publish.publication import publications as every

    rows = every(now=now())
    lines = [
        f"{row.version} {row.state} set {row.score_set} {row.records or 0:,} records "
        f"{row.published_at.isoformat() if row.published_at else '-'}"
        + (f" {row.deltas} deltas" if row.deltas else "")
        for row in rows
    ]
    tell(
        {"publications": msgspec.to_builtins(rows)},
        "\n".join(lines) or "nothing is published",
        as_json,
    )


@listing.command()
def explain(
    version: Annotated[str, typer.Argument(help="As `footfall publications` lists it.")],
    as_json: AsJson = False,
) -> None:
    """Say why a publication is live or was refused, and what it contains."""
    from footfall.publish.manifest import explain as say

    told = say(version, now=now())
    tell(told, told.lines(), as_json)


@listing.command()
def diff(
    before: Annotated[
        str | None, typer.Argument(help="Default: the one that was live before.")
    ] = None,
    after: Annotated[str | None, typer.Argument(help="Default: the live one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two publications: customers, records, segments, means."""
    from footfall.publish.manifest import diff as compare

    told = compare(before, after)
    tell(told, told.lines(), as_json)


@listing.command()
def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Publish again what Redis has lost.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare every record of the live publication with Redis."""
    from footfall.publish import repair as loss

    found = loss.verify(now=now())
    done = loss.publish_again(found, now=now(), actor=actor()) if repair else None
    if done is None:
        tell(found, found.line(), as_json)
    else:
        tell(done, f"{found.line()}; {done.line()}", as_json)
    if found.problem and done is None:
        raise typer.Exit(1)


@app.command()
def rollback(
    version: Annotated[
        str | None, typer.Argument(help="Default: the one before the live one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Point readers back at the previous publication."""
    from footfall.publish.publication import rollback as back

    done = back(version, now=now(), actor=actor())
    tell(done, f"live again: version {done.version} ({done.records:,} records)", as_json)


@app.command()
def lookup(
    customer: Annotated[str, typer.Argument(help="customer_id, user id or anonymous id")],
    as_json: AsJson = False,
) -> None:
    """Read a customer's record from Redis, as a storefront does."""
    from footfall.publish.lookup import lookup as read

    profile = read(customer, now=now())
    tell(profile.as_dict(), profile.line(), as_json)
