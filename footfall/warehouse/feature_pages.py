"""Write what is said of features and labels where people and dbt read it: ``make features``."""

import sys
from collections.abc import Mapping
from pathlib import Path

from footfall.settings import ROOT
from ml import label_pages
from ml.catalogue_pages import dbt_docs, dbt_model, page
from ml.labels import LABELS, Label

MARTS = Path("dbt_project/models/marts/features")


def feature_pages() -> dict[Path, str]:
    """Return the text of each file, by its path from the root of the sources."""
    return {
        Path("docs/features.md"): page(),
        MARTS / "_customer_features__models.yml": dbt_model(),
        MARTS / "_customer_features__docs.md": dbt_docs(),
        **label_files(LABELS),
    }


def label_files(labels: Mapping[str, Label]) -> dict[Path, str]:
    """Return what dbt reads of the labels, by path from the root of the sources."""
    return {
        Path("dbt_project/macros/labels.sql"): label_pages.dbt_macro(labels.values()),
        MARTS / "_customer_labels__models.yml": label_pages.dbt_model(labels.values()),
    }


if __name__ == "__main__":
    for path, text in feature_pages().items():
        (ROOT / path).write_text(text)
        sys.stdout.write(f"wrote {path}\n")
