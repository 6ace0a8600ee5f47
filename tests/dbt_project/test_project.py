"""The dbt project: described, in step with ml/, without warnings, and right window by window."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from footfall.settings import ROOT
from footfall.warehouse.dbt import run_dbt
from footfall.warehouse.docs import generate_docs
from ml.features import NAMES
from tests.warehouse.shop import midnight, rows

PROJECT = ROOT / "dbt_project"


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


def test_the_features_are_those_that_the_models_expect(target):
    (features,) = [model for model in models(target) if model["name"] == "customer_features"]
    keys, names = list(features["columns"])[:2], list(features["columns"])[2:]
    assert (keys, names) == (["customer_id", "as_of"], list(NAMES))
    assert {features["columns"][name]["data_type"] for name in names} == {"double precision"}


def test_no_warning_is_given(target):
    variables = {"build_id": 2, "built_through": (midnight(3, 9) + timedelta(days=1)).isoformat()}
    run_dbt(["compile", "--warn-error"], variables, caller="test")


def test_the_docs_are_one_page(target):
    page = generate_docs()
    assert "fct_order_lines" in page.read_text()


def test_dbt_finds_no_file_that_it_would_import_as_its_own():
    assert not list(PROJECT.rglob("*.py"))
