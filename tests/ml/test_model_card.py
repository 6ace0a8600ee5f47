"""The card has the nine sections, and its Markdown says what its JSON says."""

import dataclasses
import json
import re

import pytest

from ml.catalogue import MODEL_FEATURES
from ml.checks import Check
from ml.learn import learn
from ml.model_card import SECTIONS, card_markdown, model_card
from ml.summary import summary
from ml.train import Params
from tests.ml.samples import SPLIT, evidence, snapshots

PARAMS = Params(most_rounds=30, patience=10)


@pytest.fixture(scope="module")
def known():
    return evidence(learn(snapshots(customers=220), SPLIT, MODEL_FEATURES, PARAMS), PARAMS)


def test_it_has_the_nine_sections_and_survives_json(known):
    card = model_card(known)
    assert tuple(card) == SECTIONS
    again = json.loads(json.dumps(card, allow_nan=False))
    assert again == card
    assert card_markdown(again) == card_markdown(card)


def test_the_markdown_names_every_section_check_and_slice(known):
    text = card_markdown(model_card(known))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading.lower().replace(" ", "_") for heading in headings] == list(SECTIONS)
    assert all(f"| {check.name} | passed |" in text for check in known.checks)
    assert all(f"| {part.factor}: {part.name} | {part.rows:,} |" in text for part in known.slices)


def test_a_refused_model_says_so_first(known):
    failed = Check("not_too_good", False, 0.99, 0.93, "the AUC is 0.990")
    refused = dataclasses.replace(known, checks=[failed])
    told = summary(refused)
    assert not told.promotable
    assert told.verdict.startswith("No: 1 of 1 checks failed")
    card = model_card(refused)["caveats_and_recommendations"]
    assert (card["may_be_promoted"], card["worries"][0]) == (False, "The AUC is 0.990.")


def test_it_holds_no_customers_id(known):
    assert not re.search(r"\bc[0-9a-f]{20}\b", json.dumps(model_card(known)))
