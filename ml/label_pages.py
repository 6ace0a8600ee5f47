"""What is written from the labels for dbt: the list that its models read, and the columns.

Pure functions; ``make features`` writes the files, and a test holds them fresh.
"""

import json
import textwrap
from collections.abc import Iterable

from ml.labels import Label

WRITTEN = "Written by `make features` from ml/labels. Do not edit."
HAPPENS = {
    "order": "there is an order",
    "no_order": "there is no order",
    "discounted_order": "there is an order with a discount of a fifth or more, or a coupon,",
}


def dbt_macro(labels: Iterable[Label]) -> str:
    """Return the macro ``labels``, which gives dbt's models the list."""
    entries = ",\n".join(
        "        "
        + json.dumps(
            {
                "name": label.name,
                "column": label.column,
                "outcome": label.outcome,
                "true_if": "null" if label.outcome == "no_order" else "not null",
                "days": label.horizon.days,
                "asked_if": label.activity_column or "",
            }
        )
        for label in labels
    )
    return (
        f"{{# {WRITTEN} #}}\n{{% macro labels() -%}}\n"
        f"    {{{{ return([\n{entries},\n    ]) }}}}\n{{%- endmacro %}}\n"
    )


def dbt_model(labels: Iterable[Label]) -> str:
    """Return the description of customer_labels that dbt reads: columns, types, key."""
    columns = "\n".join(_column(label) for label in labels)
    return f"""# {WRITTEN}
models:
  - name: customer_labels
    description: >
      What customers of a snapshot did after it: what the models learn to foresee. Orders by
      ordered_at; an order that was refunded later is still an order. One row per customer and
      as_of.
    constraints:
      - type: primary_key
        columns: [as_of, customer_id]
    columns:
      - name: customer_id
        data_type: text
        description: "{{{{ doc('customer_id') }}}}"
      - name: as_of
        data_type: timestamp with time zone
        description: "{{{{ doc('as_of') }}}}"
{columns}
"""


def _column(label: Label) -> str:
    outside = f", and where {label.activity_column} is not above 0" if label.activity_column else ""
    lines = [
        f"- name: {label.column}",
        "  data_type: boolean",
        "  description: >",
        f"    Whether {HAPPENS[label.outcome]} in [as_of, as_of + {label.horizon.days} days); "
        f"null until that is over{outside}.",
    ]
    return textwrap.indent("\n".join(lines), "      ")
