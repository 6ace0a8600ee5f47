"""Look at segments, go back to an earlier version of a rule, tell Kafka who entered and left."""

from typing import Annotated, Literal

import typer

from footfall.commands.console import AsJson, AsOf, actor, now, tell

app = typer.Typer()
segments_app = typer.Typer(help="Segments: rules as data.", invoke_without_command=True)
app.add_typer(segments_app, name="segments")
Name = Annotated[str, typer.Argument(help="A segment of `footfall segments`.")]


@segments_app.callback()
def segments(context: typer.Context, as_json: AsJson = False) -> None:
    """List the segments: the active version of each, its owner, how many are in it now."""
    if context.invoked_subcommand:
        return
    import msgspec

    from footfall.segments.registry import listing

    found = listing()
    lines = [one.line() for one in found]
    tell(
        {"segments": msgspec.to_builtins(found)},
        "\n".join(lines) or "no segment is registered; run: footfall build",
        as_json,
    )


@segments_app.command()
def show(
    name: Name,
    version: Annotated[int | None, typer.Option(help="Default: the active one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a version of a rule: its definition, and the SQL that it becomes."""
    from footfall.segments.registry import shown

    rule = shown(name, version)
    tell(rule, rule.text(), as_json)


@segments_app.command()
def rollback(
    name: Name,
    version: Annotated[
        int | None, typer.Argument(help="Default: the one before the active one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have an earlier version of a rule count again, until its file changes."""
    from footfall.segments.registry import rollback as back

    done = back(name, version, now=now(), actor=actor())
    tell(done, f"{done.name}: version {done.version} is active ({done.members:,} members)", as_json)


@segments_app.command()
def feed(as_json: AsJson = False) -> None:
    """Tell Kafka who entered and left a segment since it was last told."""
    from footfall.segments.feed import feed as send

    done = send()
    tell(
        done,
        f"told {done.topic}: {done.entered:,} entered, {done.left:,} left, {done.repeated:,} of "
        f"these perhaps again, in {done.seconds:.2f} s",
        as_json,
    )


@app.command()
def cluster(
    as_of: AsOf = None,
    method: Annotated[
        Literal["kmeans", "dbscan"], typer.Option(help="How to find them.")
    ] = "kmeans",
    clusters: Annotated[
        int | None, typer.Option(help="How many, for kmeans. Default: what fits best.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Group customers by recency, frequency and monetary value of a snapshot."""
    from footfall.modelling.clustering import cluster as group

    done = group(as_of, method=method, clusters=clusters, now=now())
    tell(done, done.line(), as_json)
