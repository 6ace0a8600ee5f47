"""Erase a customer; verify the audit log."""

from typing import Annotated

import typer

from footfall.commands.console import AsJson, actor, now, tell

app = typer.Typer()
audit_app = typer.Typer(help="The audit log.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")


@app.command()
def erase(
    customer: Annotated[str, typer.Argument(help="customer_id, user id or anonymous id")],
    as_json: AsJson = False,
) -> None:
    """Erase a customer everywhere; a replay cannot bring them back."""
    from footfall.privacy.erasure import erase as forget

    done = forget(customer, actor=actor(), now=now())
    rows = sum(done.rows_erased.values())
    tell(
        done, f"erased {done.customer_id}: {rows:,} rows and {done.redis_keys} Redis keys", as_json
    )


@audit_app.command("verify")
def audit_verify(as_json: AsJson = False) -> None:
    """Check the audit log's hash chain. Exit 1 when an entry was changed or removed."""
    from footfall.privacy.audit_log import verify

    checked = verify()
    word = "intact" if checked.intact else f"BROKEN at entry {checked.first_broken}"
    tell(checked, f"audit log: {checked.entries:,} entries, {word}", as_json)
    if not checked.intact:
        raise typer.Exit(1)
