"""Publish to Redis, read back, roll back."""

from typing import Annotated

import typer

from footfall.commands.console import AsJson, actor, now, tell

app = typer.Typer()


@app.command()
def publish(as_json: AsJson = False) -> None:
    """Publish the newest complete score set to Redis, whole."""
    from footfall.path import gated_publish

    done = gated_publish(now=now(), actor=actor())
    tell(
        done,
        f"published version {done.version} (score set {done.score_set}): {done.records:,} records "
        f"in {done.seconds:.2f} s",
        as_json,
    )


@app.command()
def publications(as_json: AsJson = False) -> None:
    """List the publications, the newest first."""
    import msgspec

    from footfall.publish.publication import publications as listing

    rows = listing(now=now())
    lines = [
        f"{row.version} {row.state} set {row.score_set} {row.records or 0:,} records "
        f"{row.published_at.isoformat() if row.published_at else '-'}"
        for row in rows
    ]
    tell(
        {"publications": msgspec.to_builtins(rows)},
        "\n".join(lines) or "nothing is published",
        as_json,
    )


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
