"""What gives built rows their meaning: settings, seeds, models and macros of the dbt project.

A build notes its rules. Where the next one's differ, what is built and what would be added do not
go together, and everything is built anew.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import yaml

from footfall.settings import settings
from footfall.warehouse.dbt import PROJECT

Rules = Mapping[str, object]

PACKAGE = "footfall"
# Of a node or a folder in dbt's own files: its change mends what is built by itself.
REPAIRS_ITSELF = "repairs_itself"
HEX_DIGITS = 16
NAMES_IN_A_LINE = 3
COMMENTS = re.compile(r"\{#.*?#\}|--[^\n]*", re.DOTALL)


def settings_of_models() -> dict[str, object]:
    """Return the settings that models read, as dbt's variables."""
    return {
        "currency": settings().currency,
        "session_gap_minutes": settings().session_gap_minutes,
        "unknown_consent": settings().unknown_consent,
    }


def rules_of(project: Any) -> dict[str, object]:
    """Return settings and variables by name, and of each model, seed and macro a hash.

    Comments and white space say nothing.

    Args:
        project: dbt's manifest.
    """
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    rules = {**variables, **settings_of_models()}
    for node in project.nodes.values():
        if node.package_name != PACKAGE or node.config.meta.get(REPAIRS_ITSELF):
            continue
        if node.resource_type == "model":
            rules[f"model {node.name}"] = _hash(node.raw_code)
        elif node.resource_type == "seed":
            rules[f"seed {node.name}"] = node.checksum.checksum[:HEX_DIGITS]
    for macro in project.macros.values():
        if macro.package_name == PACKAGE and not macro.name.startswith("test_"):
            rules[f"macro {macro.name}"] = _hash(macro.macro_sql)
    return rules


def difference(before: Rules | None, now: Rules) -> str | None:
    """Say in a line how the rules differ from those of the last build; None if they do not.

    >>> difference({"session_gap_minutes": 30}, {"session_gap_minutes": 60})
    'session_gap_minutes is 60, was 30'
    >>> difference({"seed bot_rules": "a1"}, {"seed bot_rules": "b2", "model int_bots": "c3"})
    'model int_bots is new; seed bot_rules changed'
    """
    if before is None:
        return "the last build noted no rules"
    changes = [
        _change(name, before, now)
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    if not changes:
        return None
    more = len(changes) - NAMES_IN_A_LINE
    return "; ".join(changes[:NAMES_IN_A_LINE]) + (f"; and {more} more" if more > 0 else "")


def _change(name: str, before: Rules, now: Rules) -> str:
    if name not in now:
        return f"{name} is gone"
    if name not in before:
        return f"{name} is new"
    if " " in name:
        return f"{name} changed"
    return f"{name} is {now[name]}, was {before[name]}"


def _hash(code: str) -> str:
    said = " ".join(COMMENTS.sub(" ", code).split())
    return hashlib.sha256(said.encode()).hexdigest()[:HEX_DIGITS]
