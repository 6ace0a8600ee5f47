"""The SQL that dbt makes of a segment's rule."""

from collections.abc import Sequence

from footfall.warehouse.dbt import run_dbt
from footfall.warehouse.segments import Version

MODEL = "int_segment_stays"


def compiled(versions: Sequence[Version]) -> str:
    """Return the statement that finds the stays of these versions, for everybody.

    Raises:
        BuildFailed: dbt could not read the project or the database.
    """
    run = run_dbt(
        ["compile", "--select", MODEL, "--full-refresh"],
        {"segment_rules": [version.as_variable() for version in versions]},
        caller="segments",
    )
    (file,) = (run.target / "compiled").rglob(f"{MODEL}.sql")
    lines = (line.rstrip() for line in file.read_text().splitlines())
    return "\n".join(line for line in lines if line)
