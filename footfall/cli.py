"""The ``footfall`` command: each stage by hand, by the same functions that the Dags call.

A command prints one readable line, or with ``--json`` one JSON object, on stdout; everything else
goes to stderr. Exit 0 done, 1 failed, 2 bad arguments, 3 a gate stopped it.
"""

import logging
import sys
from typing import Annotated

import typer

from footfall.commands import (
    events,
    models,
    privacy,
    publication,
    segments,
    servers,
    serving,
    warehouse,
)
from footfall.commands.console import AsJson, actor, now, tell
from footfall.errors import FootfallError

app = typer.Typer(
    help="From shop events to served scores. Any command takes --debug, to show where it failed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (servers, events, warehouse, segments, models, publication, serving, privacy):
    app.add_typer(part.app)


@app.command()
def run(
    until_published: Annotated[
        bool, typer.Option("--until-published", help="Up to a publication (the default).")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Go the whole path once, without Airflow: ingest, build, train, score, publish."""
    from footfall.path import Stage, run_until_published

    def say(stage: Stage) -> None:
        sys.stderr.write(f"{stage.name}: {stage.seconds:.1f} s\n")

    done = run_until_published(now=now, actor=actor(), on_stage=say)
    tell(
        done,
        f"published version {done.publication.version}: {done.publication.records:,} records"
        f"{done.scored.caveats()}",
        as_json,
    )


def main() -> None:
    """Run the command line; turn every error into one line and an exit code."""
    logging.basicConfig(level=logging.WARNING)
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        app()
    except FootfallError as error:
        if debug:
            raise
        sys.stderr.write(f"footfall: {error}\n")
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        first = (str(error).strip().splitlines() or ["no message"])[0]
        sys.stderr.write(f"footfall: {type(error).__name__}: {first} (--debug shows where)\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
