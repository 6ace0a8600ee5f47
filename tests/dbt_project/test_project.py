"""The dbt project: described, in step with ml/, without warnings, and right window by window."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from footfall.settings import ROOT
from footfall.warehouse import docs
from footfall.warehouse.connection import transaction
from footfall.warehouse.dbt import run_dbt
from footfall.warehouse.docs import docs_page, generate_docs, kept_docs, renew_docs
from ml.features import NAMES
from ml.labels import LABELS
from tests.warehouse.shop import midnight, rows

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


def test_every_unit_test_holds(target):
    done = run_dbt(["test", "--select", "test_type:unit"], {"build_id": 1}, caller="test")
    assert done.tests == len(manifest(target)["unit_tests"]) >= 24


COMMENT = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)
WHAT_MAY_LOSE_OR_DOUBLE_ROWS = re.compile(r"\bcase\b|\bover \(|\bjoin\b")


def test_each_case_window_and_join_is_in_a_model_with_a_unit_test(target):
    tested = {test["model"] for test in manifest(target)["unit_tests"].values()}
    untested = {
        model["name"]
        for model in models(target)
        if WHAT_MAY_LOSE_OR_DOUBLE_ROWS.search(COMMENT.sub("", model["raw_code"]))
        and model["name"] not in tested
    }
    assert untested == set()


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


def test_no_warning_is_given(target):
    variables = {"build_id": 2, "built_through": (midnight(3, 9) + timedelta(days=1)).isoformat()}
    run_dbt(["compile", "--warn-error"], variables, caller="test")


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
