"""The Dags are wiring only: read as syntax trees."""

import ast
import re
from pathlib import Path

import pytest

from footfall.settings import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))
MOST_LINES = 60
LOGIC = (
    *(ast.If, ast.IfExp, ast.Try, ast.While, ast.For, ast.With, ast.Match, ast.Lambda),
    *(ast.Compare, ast.BoolOp, ast.UnaryOp, ast.AugAssign, ast.Raise, ast.Assert, ast.ClassDef),
)
SQL = re.compile(r"\b(select|insert|update|delete|create|drop)\b.*\b(from|into|set|table)\b", re.I)
TOP_LEVEL = {"airflow.sdk", "datetime"} | {
    f"footfall_airflow.{part}" for part in ("approvals", "assets", "sensors", "stages")
}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def tree(request: pytest.FixtureRequest) -> ast.Module:
    return ast.parse(request.param.read_text())


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def task_bodies(tree: ast.Module) -> list[ast.FunctionDef]:
    return [f for f in functions(tree) if ast.unparse(f.decorator_list[0]).startswith("stage(")]


def test_there_is_a_dag_for_each_verb() -> None:
    assert [file.stem for file in FILES] == [
        "build_warehouse",
        "load_events",
        "publish_scores",
        "retain_events",
        "score_customers",
        "snapshot_features",
        "train_models",
        "watch_events",
        "watch_publication",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dag_fits_a_screen_or_two(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= MOST_LINES


def test_a_dag_decides_and_computes_nothing(tree: ast.Module) -> None:
    assert [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, LOGIC)] == []
    operators = {type(node.op) for node in ast.walk(tree) if isinstance(node, ast.BinOp)}
    assert operators <= {ast.BitOr, ast.RShift}  # assets joined, tasks ordered


def test_a_dag_holds_no_sql(tree: ast.Module) -> None:
    body = ast.Module(tree.body[1:], [])  # the docstring may speak of anything
    texts = [node.value for node in ast.walk(body) if isinstance(node, ast.Constant)]
    assert [text for text in texts if isinstance(text, str) and SQL.search(text)] == []


def test_only_airflow_and_the_plugin_are_imported_at_the_top(tree: ast.Module) -> None:
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert {node.module for node in imports if isinstance(node, ast.ImportFrom)} <= TOP_LEVEL


def test_a_task_calls_one_function_of_the_product(tree: ast.Module) -> None:
    bodies = task_bodies(tree)
    assert bodies
    for task in bodies:
        bring, call = task.body
        assert isinstance(bring, ast.ImportFrom)
        assert bring.module is not None
        assert bring.module.startswith("footfall.")
        assert isinstance(call, ast.Return)
        assert isinstance(call.value, ast.Call)
        assert isinstance(call.value.func, ast.Name)
        assert call.value.func.id == bring.names[0].name


def test_the_docstring_is_the_documentation(tree: ast.Module) -> None:
    assert ast.get_docstring(tree)
    keywords = {
        keyword.arg: ast.unparse(keyword.value)
        for function in functions(tree)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dag"
        for keyword in decorator.keywords
    }
    assert keywords["doc_md"] == "__doc__"
