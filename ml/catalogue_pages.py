"""What is written from the list of the features: docs/features.md, and dbt's words of the table.

Pure functions; ``make features`` writes the files, and a test holds them fresh.
"""

import textwrap
from itertools import groupby
from pathlib import Path

from ml.catalogue import FEATURES, MODEL_FEATURES, Feature

WRITTEN = "Written by `make features` from ml/features.yml. Do not edit."
PER_SNAPSHOT = """\
    constraints:
      - type: primary_key
        columns: [as_of, customer_id]
    columns:
      - name: customer_id
        data_type: text
        description: "{{ doc('customer_id') }}"
      - name: as_of
        data_type: timestamp with time zone
        description: "{{ doc('as_of') }}\""""

WAYS = {1: "rise", -1: "fall"}


def page() -> str:
    """Return docs/features.md."""
    head = (Path(__file__).parent / "features_head.md").read_text()
    parts = [f"<!-- {WRITTEN} -->\n\n" + head.replace("MODEL_FEATURES", str(len(MODEL_FEATURES)))]
    for theme, features in groupby(FEATURES, key=lambda feature: feature.theme):
        rows = "\n".join(_row(feature) for feature in features)
        parts.append(
            f"## {theme.capitalize()}\n\n"
            "| feature | | meaning | unit | window | source |\n|---|---|---|---|---|---|\n"
            f"{rows}\n"
        )
    return "\n".join(parts)


def _row(feature: Feature) -> str:
    mark = "●" if feature.name in MODEL_FEATURES else ""
    window = f"{feature.window_days} d" if feature.window_days else "all"
    meaning = feature.description + "".join(
        f" *{model} may only {WAYS[sign]} with it.*" for model, sign in feature.monotone.items()
    )
    cells = (f"`{feature.name}`", mark, meaning, feature.unit, window, feature.source)
    return "| " + " | ".join(cells).replace("|  |", "| |") + " |"


def dbt_model() -> str:
    """Return the description of customer_features that dbt reads: columns, types, constraints."""
    columns = "\n".join(_column(feature) for feature in FEATURES)
    return f"""# {WRITTEN}
models:
  - name: customer_features
    description: >
      What is known of a customer: the contract with ml/. Only customers seen before as_of who
      could be profiled then. A window of N days is the N × 24 hours before as_of; hours and days
      are UTC; amounts in the shop's currency, refunds known at as_of taken off. One row per
      customer and as_of.
{PER_SNAPSHOT}
{columns}
"""


def _column(feature: Feature) -> str:
    lines = [
        f"- name: {feature.name}",
        "  data_type: double precision",
        f"  description: \"{{{{ doc('{feature.name}') }}}}\"",
    ]
    if feature.null_when is None:
        lines += ["  constraints:", "    - type: not_null"]
    return textwrap.indent("\n".join(lines), "      ")


def dbt_docs() -> str:
    """Return dbt's blocks of text, one per feature, that its models refer to."""
    blocks = [
        f"{{% docs {feature.name} %}}\n{feature.description}\n{{% enddocs %}}\n"
        for feature in FEATURES
    ]
    return "\n".join([f"<!-- {WRITTEN} -->\n", *blocks])
