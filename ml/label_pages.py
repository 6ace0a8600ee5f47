"""What is written from the labels for dbt: the list that its models read, and the columns.

Pure functions; ``make features`` writes the files, and a test holds them fresh.
"""

import json
import textwrap
from collections.abc import Iterable

from ml.catalogue_pages import PER_SNAPSHOT
from ml.labels import Label

WRITTEN = "Written by `make features` from ml/labels. Do not edit."
SAYS = {
    "order": "Whether there is an order in {window}",
    "no_order": "Whether there is no order in {window}",
    "discounted_order": "Whether there is an order with a discount of a fifth or more, or a coupon,"
    " in {window}",
    "net_revenue": "Net revenue of the orders placed in {window}, less their refunds known by the "
    "end of it, in the shop's currency; at least 0, and 0 without an order",
}
FOUND = {
    "order": "{buyers}.customer_id is not null",
    "no_order": "{buyers}.customer_id is null",
    "discounted_order": "{buyers}.customer_id is not null",
    "net_revenue": "coalesce({buyers}.amount, 0)",
}
TYPES = {"class": "boolean", "amount": "numeric(38,2)"}


def dbt_macro(labels: Iterable[Label]) -> str:
    """Return the macro ``labels``, which gives dbt's models the list."""
    entries = ",\n".join(
        "        "
        + json.dumps(
            {
                "name": label.name,
                "column": label.column,
                "outcome": label.outcome,
                "kind": label.kind,
                "type": TYPES[label.kind],
                "found": FOUND[label.outcome].format(buyers=f"{label.name}_buyers"),
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
{PER_SNAPSHOT}
{columns}
"""


def _column(label: Label) -> str:
    outside = f", and where {label.activity_column} is not above 0" if label.activity_column else ""
    window = f"[as_of, as_of + {label.horizon.days} days)"
    lines = [
        f"- name: {label.column}",
        f"  data_type: {TYPES[label.kind]}",
        "  description: >",
        f"    {SAYS[label.outcome].format(window=window)}; null until that is over{outside}.",
    ]
    return textwrap.indent("\n".join(lines), "      ")
