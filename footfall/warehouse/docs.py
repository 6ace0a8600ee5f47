"""The dbt docs: tables, columns and lineage as one HTML file."""

from pathlib import Path

from footfall.warehouse.dbt import run_dbt


def generate_docs() -> Path:
    """Write the page that explains every table of the built warehouse; return its path.

    Raises:
        BuildFailed: dbt could not read the project or the database.
    """
    done = run_dbt(["docs", "generate", "--static"], caller="docs")
    return done.target / "static_index.html"
