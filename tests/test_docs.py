"""README and docs: every command parses, every setting, target, table, file and link exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from footfall.cli import app
from footfall.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = typer.main.get_command(app)
FENCE = re.compile(r"^```(?:bash|sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Give the shell lines of a page: fenced, indented and inline code."""
    text = page.read_text()
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()]
    lines += re.findall(r"^    (?! )(.*)$", text, re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", text)
    return [line.removeprefix("$ ").strip() for line in lines]


def words(line: str, program: str) -> list[str] | None:
    """Split a line that calls the program; nothing for other lines."""
    match = re.match(rf"(?:\S*/)?{program}\s+(.*)", line)
    if not match or "…" in line:
        return None
    return shlex.split(match[1].split("#")[0].split(" | ")[0].split(" > ")[0])


def parse(arguments: list[str]) -> None:
    """Have the command line read the words as it would; a lone name is only looked up."""
    command: Any = COMMAND
    while hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
        if not arguments:
            return
    if "--help" not in arguments:
        command.make_context("footfall", list(arguments))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_footfall_command_of_a_page_parses(page):
    for line in commands(page):
        found = words(line, "footfall")
        if found and not any(word.isupper() or "|" in word for word in found):
            try:
                parse([word for word in found if word != "--debug"])
            except Exception as error:
                pytest.fail(f"{page.name}: {line}: {error!r}")


def test_a_command_that_does_not_parse_is_noticed():
    for wrong in (["build", "--as-off", "2017-12-02"], ["gate", "garden"], ["fly"]):
        with pytest.raises(Exception, match="as-off|garden|fly"):
            parse(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_of_a_page_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in commands(page):
        found = words(line, "make")
        asked = {word for word in found or [] if re.fullmatch(r"[a-z-]+", word)}
        assert asked <= targets, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_of_a_page_exists(page):
    known = {f"FOOTFALL_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bFOOTFALL_[A-Z_]+\b", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_of_a_page_exists(page):
    migrations = "".join(
        file.read_text() for file in (ROOT / "footfall/warehouse/migrations").glob("*.sql")
    )
    known = set(re.findall(r"create (?:table|view|sequence) (\w+\.\w+)", migrations))
    known |= {f"analytics.{file.stem}" for file in (ROOT / "dbt_project").rglob("*.sql")}
    known |= {f"analytics.{file.stem}" for file in (ROOT / "dbt_project").rglob("*.csv")}
    known |= {"ops.migrations"}
    named = re.findall(
        r"`((?:raw|analytics|ml|serving|privacy|ops)\.[a-z_]+)`(?!\()", page.read_text()
    )
    modules = {
        f"{folder}.{file.stem}" for folder in ("ml",) for file in (ROOT / folder).glob("*.py")
    }
    assert set(named) <= known | modules, f"{page.name}: {set(named) - known - modules}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_shows_the_tree_as_it_is():
    text = (ROOT / "README.md").read_text()
    for folder in (
        "dags",
        "dbt_project",
        "plugins",
        "footfall",
        "ml",
        "expectations",
        "tests",
        "docs",
    ):
        assert f"{folder}/" in text
        assert (ROOT / folder).is_dir()
