"""The dbt docs: tables, columns and lineage as one HTML file."""

from pathlib import Path

from footfall.settings import settings
from footfall.warehouse.dbt import run_dbt


def generate_docs() -> Path:
    """Write the page that explains every table of the built warehouse; return its path.

    Raises:
        BuildFailed: dbt could not read the project or the database.
    """
    run_dbt(["docs", "generate", "--static"], caller="docs")
    return docs_page()


def docs_page() -> Path:
    """Return where the page is, or will be."""
    return settings().home / "dbt" / "docs" / "target" / "static_index.html"
