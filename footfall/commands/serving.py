"""Serve profiles over HTTP."""

from typing import Annotated

import typer

from footfall.commands.console import AsJson, tell

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 18090,
    as_json: AsJson = False,
) -> None:
    """Serve customers' records over HTTP, until Ctrl-C."""
    from footfall.lookup_api import serve as run

    run(
        host=host,
        port=port,
        on_ready=lambda url: tell({"url": url}, f"lookup API: {url}/v1/customers/…", as_json),
    )
