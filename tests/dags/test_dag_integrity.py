"""What Airflow's own parser makes of the Dags, and of the map that joins them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from footfall.settings import ROOT

REPORTER = Path(__file__).with_name("dagbag_report.py")
PATH = ["raw_events", "features", "models", "scores", "publication"]
BACK = {"drift"}  # goes back: who has shifted is trained anew


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    done = subprocess.run(
        [sys.executable, str(REPORTER), str(ROOT / "dags"), str(home / "report.json")],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads((home / "report.json").read_text())
    return read


def test_every_dag_can_be_imported(report: dict[str, Any]) -> None:
    assert report["import_errors"] == {}
    assert set(report["dags"]) == {file.stem for file in (ROOT / "dags").glob("*.py")}


def test_parsing_imports_nothing_heavy(report: dict[str, Any]) -> None:
    assert report["heavy"] == []


def test_no_dag_catches_up_and_none_runs_twice_at_once(report: dict[str, Any]) -> None:
    assert {dag["catchup"] for dag in report["dags"].values()} == {False}
    assert {dag["max_active_runs"] for dag in report["dags"].values()} == {1}


def test_every_dag_says_what_it_does(report: dict[str, Any]) -> None:
    for dag in report["dags"].values():
        assert dag["description"]
        assert dag["doc"].startswith(dag["description"])


def test_assets_join_the_dags_in_the_order_of_the_path(report: dict[str, Any]) -> None:
    joined = {
        dag_id: (dag["starts_on"], dag["makes"])
        for dag_id, dag in report["dags"].items()
        if dag["starts_on"] or dag["makes"]
    }
    assert joined == {
        "load_events": ([], ["raw_events"]),
        "build_warehouse": (["raw_events"], ["features"]),
        "train_models": (["drift"], ["models"]),
        "score_customers": (["features", "models"], ["drift", "scores"]),
        "publish_scores": (["scores"], ["publication"]),
        "watch_publication": ([], ["publication"]),
    }
    for starts_on, makes in joined.values():
        ahead = [(a, b) for a in starts_on for b in makes if not {a, b} & BACK]
        assert all(PATH.index(a) < PATH.index(b) for a, b in ahead)


def test_an_asset_is_made_behind_its_gate(report: dict[str, Any]) -> None:
    tasks = {dag_id: dag["tasks"] for dag_id, dag in report["dags"].items()}
    assert tasks["build_warehouse"]["build"]["after"] == ["gate_raw"]
    assert tasks["build_warehouse"]["gate_features"]["makes"] == ["features"]
    assert tasks["build_warehouse"]["feed_segments"]["after"] == ["gate_features"]
    assert tasks["build_warehouse"]["write_docs"]["after"] == ["gate_features"]
    assert tasks["score_customers"]["gate_scores"]["makes"] == ["scores"]
    assert tasks["score_customers"]["ask_for_training"]["after"] == [
        "score"
    ]  # also if it is stopped
    assert tasks["snapshot_features"]["score"]["after"] == ["gate_features"]
    assert tasks["publish_scores"]["publish"]["after"] == ["wait_for_score_set"]


def test_what_won_waits_for_approval_where_somebody_has_to_give_it(report: dict[str, Any]) -> None:
    tasks = report["dags"]["train_models"]["tasks"]
    assert tasks["train"] == {"makes": [], "after": ["choose"], "mapped": True}
    assert tasks["propose"] == {"makes": [], "after": ["train"], "mapped": False}
    assert tasks["approve"] == {"makes": [], "after": ["propose"], "mapped": True}
    assert tasks["promote_if_better"]["after"] == ["approve", "train"]


def test_loaders_side_by_side_tell_of_their_events_once(report: dict[str, Any]) -> None:
    tasks = report["dags"]["load_events"]["tasks"]
    assert [name for name, task in tasks.items() if task["mapped"]] == ["load"]
    assert tasks["load"] == {"makes": [], "after": ["share_partitions"], "mapped": True}
    assert tasks["add_up"] == {"makes": ["raw_events"], "after": ["load"], "mapped": False}
    assert tasks["load_catalog"]["after"] == []


def test_whatever_fails_is_told(report: dict[str, Any]) -> None:
    for dag_id, dag in report["dags"].items():
        assert set(dag["alerts"]) == set(dag["tasks"]), dag_id
        assert all(callbacks == ["alert"] for callbacks in dag["alerts"].values()), dag_id
