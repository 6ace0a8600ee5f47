"""An increment costs what changed: what the models must not do, read from their text."""

import re
from pathlib import Path

import pytest

from footfall.settings import ROOT

MODELS = sorted((ROOT / "dbt_project" / "models").rglob("*.sql"))
CTE = re.compile(r"(?:with|with recursive|,)\s+(\w+) as \(\n\n(.*?)\n\n\)", re.DOTALL)


def whole_tables_read_twice(sql: str) -> set[str]:
    """Name the CTEs that read a whole table and that Postgres would copy before reading them."""
    return {
        name
        for name, body in CTE.findall(sql)
        if re.match(r"\s*select \* from \{\{ ref\(", body)
        and "is_incremental()" not in body
        and "is_new" not in body
        and len(re.findall(rf"(?:from|join) {name}\b(?!\.)", sql)) > 1
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.stem)
def test_no_model_copies_a_whole_table_to_read_it_twice(model: Path):
    # Postgres materialises a CTE that is read twice, and reads the copy without indexes; write
    # `as not materialized (`.
    assert not whole_tables_read_twice(model.read_text())


def test_a_copied_table_is_found():
    sql = "with events as (\n\n    select * from {{ ref('a') }}\n\n),\n\nfrom events join events"
    assert whole_tables_read_twice(sql) == {"events"}
    assert not whole_tables_read_twice(sql.replace("as (", "as not materialized (", 1))
