"""Train, promote, score, measure drift, explain."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from footfall.commands.console import AsJson, AsOf, actor, now, progress, tell

app = typer.Typer()


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A label: purchase, churn, discount or value.")],
    as_of: AsOf = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Try so many parameters of the trees. Default: FOOTFALL_SEARCH_TRIALS, else 0.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a challenger from labels that end by --as-of, and write its audit report."""
    from footfall.modelling.training import train as fit

    with progress(f"train {name}") as advance:
        model = fit(name, as_of, now=now(), trials=trials, on_progress=advance)
    tell(model, model.line(), as_json)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="A model_id of `footfall models`.")],
    approved_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who approves it, for the audit log.")
    ] = None,
    because: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why that person does.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a challenger the champion if it is better on the same holdout; exit 1 if not."""
    from footfall.modelling.promotion import promote as crown

    promotion = crown(model, now=now(), actor=actor(), approved_by=approved_by, because=because)
    tell(promotion, f"{model}: {promotion.reason}", as_json)


@app.command()
def demote(
    model: Annotated[str, typer.Argument(help="A label, or the champion's model_id.")],
    because: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit log.")],
    no_successor: Annotated[
        bool, typer.Option("--no-successor", help="Leave the name without a champion.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Retire a champion for good; the champion before it is champion again."""
    from footfall.modelling.demotion import demote as dethrone

    done = dethrone(model, because=because, successor=not no_successor, now=now(), actor=actor())
    tell(done, done.line(), as_json)


@app.command()
def models(
    history: Annotated[
        bool, typer.Option("--history", help="List who was champion when, by whom and why.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the trained models, the newest first."""
    import msgspec

    from footfall.modelling.models import list_models
    from footfall.modelling.reigns import champion_history

    rows, reigns = list_models(), champion_history()
    lines = [row.line() for row in (reigns if history else rows)]
    nothing = "no model was champion yet" if history and rows else "no model is trained"
    text = "\n".join(lines) or f"{nothing}; train one with: footfall train churn"
    told = {"models": msgspec.to_builtins(rows), "history": msgspec.to_builtins(reigns)}
    tell(told, text, as_json)


@app.command()
def report(
    model: Annotated[str, typer.Argument(help="A model_id of `footfall models`.")],
    style: Annotated[
        Literal["html", "markdown", "json"],
        typer.Option("--format", help="html: the audit report; markdown, json: the model card."),
    ] = "html",
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Give a model's audit report, one HTML page, or its model card."""
    import msgspec

    from footfall.modelling.models import model_card_of, model_report

    if style == "html":
        text = model_report(model)
    elif style == "json":
        text = msgspec.json.encode(model_card_of(model)).decode()
    else:
        from ml.model_card import card_markdown

        text = card_markdown(model_card_of(model))
    _write(text, out)


@app.command()
def score(
    as_of: AsOf = None,
    anew: Annotated[bool, typer.Option("--anew", help="Keep no score of the set before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score every customer with every champion, as one complete set."""
    from footfall.path import gated_score

    done = gated_score(as_of, now=now(), anew=anew)
    tell(done, done.line(), as_json)


@app.command()
def drift(as_json: AsJson = False) -> None:
    """Say how far features, scores and labels have moved since each model was trained."""
    import msgspec

    from footfall.modelling.drifting import newest_drift

    rows = newest_drift()
    text = "\n".join(row.line() for row in rows) or (
        "no score set was measured; make one with: footfall score"
    )
    tell({"drift": msgspec.to_builtins(rows)}, text, as_json)


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="customer_id, user id or anonymous id")],
    model: Annotated[str | None, typer.Option(help="A label, such as churn, or a model_id")] = None,
    as_of: AsOf = None,
    score_set: Annotated[int | None, typer.Option(help="The score of this set.")] = None,
    style: Annotated[
        Literal["html", "json", "text"], typer.Option("--format", help="How to write it.")
    ] = "text",
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """Say why a customer has this score: the reasons, values and model."""
    import msgspec

    from footfall.modelling.explaining import explain as account

    explanation = account(customer, model=model, as_of=as_of, score_set=score_set)
    if style == "html":
        text = explanation.as_html()
    elif style == "json":
        text = msgspec.json.encode(explanation.as_dict()).decode()
    else:
        text = explanation.as_text()
    _write(text, out)


def _write(text: str, out: Path | None) -> None:
    if out:
        out.write_text(text)
        sys.stderr.write(f"wrote {out}\n")
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")
