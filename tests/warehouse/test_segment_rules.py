"""A rule's file: what it means, and what is said of one that means nothing."""

from pathlib import Path

import pytest

from footfall.errors import BadArgument
from footfall.settings import ROOT
from footfall.warehouse.segment_rules import (
    COMPARISONS,
    KINDS,
    MEASURES,
    PER,
    as_table,
    in_words,
    read_computed_kinds,
    read_rule,
    read_rules,
)

HEAD = "name: a\nowner: Me\ndescription: Text.\n"
VIEWS = "  - {measure: events, of: product_view, at_least: 1}\n"


def written(folder: Path, text: str, name: str = "a") -> Path:
    file = folder / f"{name}.yml"
    file.write_text(text)
    return file


def test_the_projects_rules_are_rules():
    rules = {rule.name: in_words(rule.definition) for rule in read_rules()}
    assert rules == {
        "big_spender": "at least 1000 value (purchase) within 90 days",
        "busy_right_now": "more than 3 shop sessions within 30 minutes",
        "full_cart": "more than 200 cart value within 3 days",
        "keen_on_a_category": "at least 3 events (product_view) within 7 days, and no events "
        "(purchase) within 7 days, in one category",
        "lapsing": "at least 1 events (purchase), and no events (purchase) within 60 days",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- x", "a.yml: the file is no mapping; give name, owner, description, per, when"),
        ("a: [", "a.yml: no YAML: "),
        ("name: b\n", "a.yml: name is 'b'; it must be the file's, 'a'"),
        (HEAD, "a.yml: when is empty; give a list of conditions"),
        ("name: a\nwhen:\n" + VIEWS, "a.yml: owner is None; give a text"),
        (HEAD + "color: red\n", "a.yml: color is unknown; allowed are name, owner, description"),
        (HEAD + "per: brand\nwhen:\n" + VIEWS, "a.yml: per is 'brand'; allowed are category"),
        (
            HEAD + "when: [{measure: visits, at_least: 1}]",
            r"a.yml: when\[0\].measure is 'visits'; allowed are events, shop_sessions, products, "
            "value, cart_value",
        ),
        (
            HEAD + "when: [{measure: events, of: bought, at_least: 1}]",
            r"when\[0\].of is 'bought'; allowed are add_to_cart, .*purchase",
        ),
        (HEAD + "when: [{measure: events, at_least: 1}]", r"when\[0\].of is missing; name kinds"),
        (
            HEAD + "when:\n" + VIEWS + "  - {measure: products, at_least: 1, fewer_than: 3}",
            r"when\[1\] has at_least and fewer_than; give one of at_least, more_than",
        ),
        (
            HEAD + "when: [{measure: products, at_least: many}]",
            r"when\[0\].at_least is 'many'; give a number of more than 0",
        ),
        (
            HEAD + "when: [{measure: products, more_than: -1}]",
            r"when\[0\].more_than is -1; give a number of 0 or more",
        ),
        (
            HEAD + "when: [{measure: products, at_least: 1, within: 2 weeks}]",
            r"when\[0\].within is '2 weeks'; give a window such as 30 minutes, 2 hours or 7 days",
        ),
        (
            HEAD + "when: [{measure: events, of: purchase, none: 1}]",
            r"when\[0\].none is 1; write none: true",
        ),
        (
            HEAD + "when: [{measure: events, of: purchase, none: true}]",
            "when has only conditions that somebody meets who never came",
        ),
        (
            HEAD + "per: category\nwhen: [{measure: cart_value, more_than: 1}]",
            "a cart is not kept per category",
        ),
        (
            HEAD + "per: category\nwhen: [{measure: value, of: purchase, more_than: 1}]",
            "what was paid is not known per category",
        ),
        (
            HEAD + "when: [{measure: value, of: refund, more_than: 1}]",
            "a refund counts there",
        ),
    ],
)
def test_what_is_no_rule_is_refused_by_file_key_and_what_is_allowed(tmp_path, text, told):
    with pytest.raises(BadArgument, match=told):
        read_rule(written(tmp_path, text))


KINDS_FILE = """
rfm: {owner: Me, description: Text.}
cluster: {owner: You, description: More text.}
"""


def test_somebody_answers_for_the_segments_that_no_rule_makes(tmp_path):
    kinds = read_computed_kinds(written(tmp_path, KINDS_FILE))
    assert [(name, kind.owner) for name, kind in kinds.items()] == [
        ("rfm", "Me"),
        ("cluster", "You"),
    ]
    assert kinds["cluster"].description == "More text."
    assert set(read_computed_kinds()) == {"rfm", "cluster"}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("rfm:", "rmf:", "a.yml: rmf is unknown; allowed are rfm, cluster"),
        ("cluster:", "# cluster:", "a.yml: cluster is no mapping; give owner, description"),
        ("owner: You, ", "", "a.yml: cluster.owner is None; give a text"),
        ("Text.", "' '", "a.yml: rfm.description is ' '; give a text"),
        ("owner: Me", "owner: Me, when: now", "a.yml: rfm.when is unknown; allowed are owner"),
        ("{owner: Me", "{[", "a.yml: no YAML: "),
    ],
)
def test_a_kind_that_nobody_answers_for_is_refused(tmp_path, right, wrong, told):
    with pytest.raises(BadArgument, match=told):
        read_computed_kinds(written(tmp_path, KINDS_FILE.replace(right, wrong, 1)))


def test_the_page_shows_the_rules_as_they_are():
    # what it says is wrong? put as_table(read_rules()) between the heading and the next one
    page = (ROOT / "docs" / "segments.md").read_text()
    assert as_table(read_rules()) in page


def test_the_page_names_all_that_a_rule_may_hold():
    page = (ROOT / "docs" / "segments.md").read_text()
    for word in (*MEASURES, *COMPARISONS, *PER, *KINDS):
        assert f"`{word}`" in page, word


def test_a_rule_that_is_worded_otherwise_is_the_same(tmp_path):
    one = HEAD + "when:\n  - {measure: events, of: product_view, at_least: 1.0, within: 7 days}\n"
    other = (
        "name: a\nowner: You\ndescription: Other words.\nwhen:\n"
        "  - within: 168 hours\n    measure: events\n    of: [product_view]\n    at_least: 1\n"
    )
    first = read_rule(written(tmp_path, one))
    second = read_rule(written(tmp_path, other))
    assert first.sha256 == second.sha256
    third = read_rule(written(tmp_path, one.replace("1.0", "1.5")))
    assert third.sha256 != first.sha256
