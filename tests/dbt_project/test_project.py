"""The dbt project: described, in step with ml/, without warnings, and right window by window."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from footfall.settings import ROOT, settings
from footfall.warehouse import docs
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.dbt import DbtRun
from footfall.warehouse.docs import docs_page, generate_docs, kept_docs, renew_docs
from ml.features import NAMES
from ml.labels import LABELS
from tests.dbt_project.ctes import breaks, ctes, may_lose_or_double_rows
from tests.warehouse.shop import rows

PROJECT = ROOT / "dbt_project"
NOW, DAY = datetime(2030, 1, 1, tzinfo=UTC), timedelta(days=1)


def manifest(target: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((target / "manifest.json").read_text())
    return read


def models(target: Path) -> list[dict[str, Any]]:
    return [
        node
        for node in manifest(target)["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    ]


def test_every_unit_test_holds(target, unit_tests):
    assert unit_tests.tests == len(manifest(target)["unit_tests"]) >= 90


def test_a_cte_ends_where_its_bracket_closes():
    sql = "with a as (select ')' -- )\n), b as not materialized (select (1)) select * from a, b"
    assert {cte: body.split() for cte, body in ctes(sql).items()} == {
        "a": ["select"],
        "b": ["select", "(1)"],
    }


def covered(unit_test: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the CTEs that a unit test says it covers, each with its model."""
    return {(unit_test["model"], cte) for cte in unit_test["config"]["meta"].get("covers", [])}


def test_each_cte_with_a_case_window_or_join_is_covered_by_a_unit_test(target, compiled):
    risky = {
        (model.stem, cte)
        for folder in compiled
        for model in (folder / "footfall" / "models").rglob("*.sql")
        if "unit_tests.yml" not in str(model)
        for cte, body in ctes(model.read_text()).items()
        if may_lose_or_double_rows(body)
    }
    named = [covered(test) for test in manifest(target)["unit_tests"].values()]
    assert set().union(*named) == risky


def compared(connection: Connection[TupleRow], unit_test: dict[str, Any], sql: str) -> list[str]:
    """Return what a unit test compares of a statement: the columns that it expects, of each row."""
    expected = unit_test["expect"]["rows"]
    is_named = isinstance(expected, list) and expected
    columns = ", ".join(f'"{column}"' for column in expected[0]) if is_named else "*"
    made = f"select made::text from (select {columns} from (\n{sql}\n) as sent) as made"
    return sorted(row for (row,) in connection.execute(made.encode()))


@pytest.fixture(scope="module")
def noticed(target: Path, unit_tests: DbtRun) -> list[tuple[str, str, str, str, bool]]:
    """Break what each unit test covers; give test, model, CTE, what is wrong, and if it fails."""
    statements = {path.stem: path.read_text() for path in (target / "compiled").rglob("*.sql")}
    outcomes = []
    with connect(autocommit=True) as connection:
        for unit_test in manifest(target)["unit_tests"].values():
            name, model = unit_test["name"], unit_test["model"]
            right = compared(connection, unit_test, statements[name])
            for wrong in breaks(statements[name]):
                if (model, wrong.cte) in covered(unit_test):
                    fails = compared(connection, unit_test, wrong.sql) != right
                    outcomes.append((name, model, wrong.cte, wrong.what, fails))
    return outcomes


def test_a_unit_test_fails_where_a_cte_that_it_covers_is_wrong(target, noticed):
    proven = {(name, model, cte) for name, model, cte, _, fails in noticed if fails}
    claimed = {
        (unit_test["name"], *cte)
        for unit_test in manifest(target)["unit_tests"].values()
        for cte in covered(unit_test)
    }
    assert proven == claimed


def test_each_case_window_and_join_fails_a_unit_test_where_it_is_wrong(noticed):
    ways = {(model, cte, what) for _, model, cte, what, _ in noticed}
    assert len(ways) > 400
    assert ways - {(model, cte, what) for _, model, cte, what, fails in noticed if fails} == set()


def test_the_names_of_unit_tests_are_sentences(target):
    for test in manifest(target)["unit_tests"].values():
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){3,}", test["name"]), test["name"]


def test_every_model_says_its_grain_and_every_column_is_described(target):
    for model in models(target):
        assert "One row per " in model["description"], model["name"]
        described = {name for name, column in model["columns"].items() if column["description"]}
        built = rows(
            "select column_name from information_schema.columns"
            " where table_schema = %s and table_name = %s",
            model["schema"],
            model["name"],
        )
        assert described == {name for (name,) in built}, model["name"]


def test_every_mart_has_an_enforced_contract_and_nothing_else_lies_beside_it(target):
    marts = [model for model in models(target) if model["schema"] == "analytics"]
    # of a seed the column types are set instead
    contracts = {m["name"]: m["config"]["contract"]["enforced"] for m in marts}
    seeds = {mart["name"] for mart in marts if mart["resource_type"] == "seed"}
    assert {name for name, enforced in contracts.items() if not enforced} == seeds
    assert all(mart["config"]["column_types"] for mart in marts if mart["name"] in seeds)
    tables = rows(
        "select table_name from information_schema.tables where table_schema = 'analytics'"
    )
    assert {name for (name,) in tables} == set(contracts)


def test_what_leaves_the_warehouse_has_an_exposure(target):
    exposed = {
        node.rpartition(".")[2]
        for exposure in manifest(target)["exposures"].values()
        for node in exposure["depends_on"]["nodes"]
    }
    marts = {
        model["name"]
        for model in models(target)
        if model["schema"] == "analytics" and model["resource_type"] == "model"
    }
    assert marts <= exposed
    assert exposed - marts == {"event_volumes", "events"}


def test_every_label_has_the_exposure_of_its_model(target):
    exposures = manifest(target)["exposures"].values()
    named = {exposure["name"] for exposure in exposures if exposure["name"].endswith("_model")}
    assert named == {f"{name}_model" for name in LABELS}


def test_the_features_are_those_that_the_models_expect(target):
    (features,) = [model for model in models(target) if model["name"] == "customer_features"]
    keys, names = list(features["columns"])[:2], list(features["columns"])[2:]
    assert (keys, names) == (["customer_id", "as_of"], list(NAMES))
    assert {features["columns"][name]["data_type"] for name in names} == {"double precision"}


def test_a_build_gives_no_warning(target):
    log = (settings().home / "dbt" / "build" / "logs" / "dbt.log").read_text()
    build = log[log.rindex("Running with dbt=") :]
    assert " WARN=0 " in build
    assert "[warn" not in build


def test_the_docs_are_one_page_that_is_kept_until_a_day_is_over_or_the_project_changes(target):
    page = generate_docs(now=NOW).read_text()
    assert "fct_order_lines" in page
    assert kept_docs() == page
    assert renew_docs(now=NOW + DAY - timedelta(seconds=1)) is None
    assert renew_docs(now=NOW + DAY) == docs_page()
    assert renew_docs(now=NOW + DAY) is None
    with transaction() as connection:
        connection.execute("update ops.docs_page set page = 'old', project_sha256 = 'another'")
    assert renew_docs(now=NOW + DAY) == docs_page()
    assert "fct_order_lines" in kept_docs()


def test_a_change_of_the_project_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(docs, "PROJECT", tmp_path)
    model = tmp_path / "models" / "a.sql"
    model.parent.mkdir()
    seen = {docs.project_sha256()}
    for change in (lambda: model.write_text("select 1"), lambda: model.write_text("select 2")):
        change()
        seen.add(docs.project_sha256())
    model.rename(model.with_name("b.sql"))
    (tmp_path / "notes.txt").write_text("of no model")
    seen.add(docs.project_sha256())
    assert len(seen) == 4


def test_dbt_finds_no_file_that_it_would_import_as_its_own():
    assert not list(PROJECT.rglob("*.py"))
