"""Erase a customer; let old raw events go; verify the audit log."""

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


@app.command()
def retain(
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", help="Default: FOOTFALL_RAW_RETENTION_DAYS."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drop the months of raw events that are older than the policy, and built. Tables stay."""
    from footfall.privacy.retention import retain as let_go

    done = let_go(older_than, actor=actor(), now=now(), dry_run=dry_run)
    if done is None:
        tell(
            {"kept": "all"},
            "every raw event is kept: FOOTFALL_RAW_RETENTION_DAYS is unset",
            as_json,
        )
        return
    tell(
        done,
        f"{'would drop' if dry_run else 'dropped'} {len(done.partitions)} months of raw.events "
        f"before {done.dropped_before.date()}: {done.rows:,} events, "
        f"and the bytes of {done.rejects_blanked:,} rejected records",
        as_json,
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
