"""A setting of the loader that cannot be meant is refused before anything is read."""

import os
import subprocess
import sys

import pytest

from footfall.errors import BadArgument
from footfall.settings import GAP_KINDS, settings
from footfall.warehouse.offsets import GapKind
from tests.conftest import set_environment

TOPIC_RULE = r"a topic's name is 1 to 249 of the letters A to Z, digits, '\.', '_' and '-'"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("topics", "", TOPIC_RULE),
        ("topics", " , ", TOPIC_RULE),
        ("topics", "shop.events,shop events", TOPIC_RULE),
        ("topics", "..", TOPIC_RULE),
        ("catalog_topic", "", TOPIC_RULE),
        ("catalog_topic", "c" * 250, TOPIC_RULE),
        ("segments_topic", "a b", TOPIC_RULE),
        (
            "accepted_gaps",
            "new_cluster,retension",
            r"'retension' is no kind of gap; give none or some of retention, recreated, "
            r"beyond_end, new_cluster, separated by commas",
        ),
        ("batch_records", "0", "greater than or equal to 1"),
        ("batch_bytes", "-1", "greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_setting_and_what_to_give(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    set_environment(monkeypatch, **{name: value})
    with pytest.raises(BadArgument, match=f"^FOOTFALL_{name.upper()}='{value}': .*{told}"):
        settings()


def test_a_wrong_value_ends_the_command_with_exit_2() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "footfall.cli", "ingest"],
        env=os.environ | {"FOOTFALL_ACCEPTED_GAPS": "retension"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("footfall: FOOTFALL_ACCEPTED_GAPS='retension': 'retension' is ")
    assert ended.stderr.count("\n") == 1


def test_lists_are_read_with_or_without_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, topics="a, b.c ,", accepted_gaps="retention, new_cluster")
    assert settings().topic_list == ["a", "b.c"]
    assert settings().accepted_gap_list == ["retention", "new_cluster"]
    set_environment(monkeypatch, accepted_gaps="")
    assert settings().accepted_gap_list == []


def test_every_kind_of_gap_can_be_accepted() -> None:
    assert tuple(GapKind) == GAP_KINDS
