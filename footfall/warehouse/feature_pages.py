"""Write what is said of the features where people and dbt read it: ``make features``."""

import sys
from pathlib import Path

from footfall.settings import ROOT
from ml.catalogue_pages import dbt_docs, dbt_model, page

MARTS = Path("dbt_project/models/marts/features")


def feature_pages() -> dict[Path, str]:
    """Return the text of each file, by its path from the root of the sources."""
    return {
        Path("docs/features.md"): page(),
        MARTS / "_customer_features__models.yml": dbt_model(),
        MARTS / "_customer_features__docs.md": dbt_docs(),
    }


if __name__ == "__main__":
    for path, text in feature_pages().items():
        (ROOT / path).write_text(text)
        sys.stdout.write(f"wrote {path}\n")
