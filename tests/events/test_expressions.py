"""The compiled expressions and templates say what JMESPath says, and a little more."""

import re
from pathlib import Path
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.errors import BadArgument
from footfall.events.expressions import compiled, fields_at_root
from footfall.events.mapping_file import read_mapping
from footfall.events.templates import Scope, compile_template

names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x", "refund"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
paths = st.lists(names, min_size=1, max_size=3).map(".".join) | st.sampled_from(
    ["a[0]", "a.b[1].c", "b[-1]", "@", "c[0][1]", "`null`", "`[]`", "'x'", "`1`"]
)
expressions = st.recursive(
    paths,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("({0[0]} || {0[1]})".format),
        st.tuples(inner, inner).map("({0[0]} && {0[1]})".format),
        st.tuples(inner, inner).map("not_null({0[0]}, {0[1]})".format),
        inner.map("({} == 'refund')".format),
        inner.map("to_string({})".format),
        paths.map("{}[*].b".format).filter(lambda text: not text.startswith(("@", "`", "'"))),
    ),
    max_leaves=4,
)


@given(expressions, values)
def test_a_compiled_expression_says_what_the_library_says(text: str, value: Any) -> None:
    assert compiled(text)(value) == jmespath.search(text, value)


def test_the_fields_that_an_expression_reads_are_known() -> None:
    text = "not_null(price, cost.net) || items[?sku == 'x'].tax | [0]"
    assert fields_at_root(text) == {"price", "cost", "items"}


@pytest.mark.parametrize(
    ("template", "value", "result"),
    [
        ({"$us": "t"}, {"t": "1496318400000000"}, "2017-06-01T12:00:00Z"),
        ({"$ms": "t"}, {"t": 1496318400001}, "2017-06-01T12:00:00.001000Z"),
        ({"$s": "t"}, {"t": 1496318400.25}, "2017-06-01T12:00:00.250000Z"),
        ({"$s": "t"}, {"t": "1e99"}, "1e99"),
        ({"$s": "t"}, {"t": 10**30}, str(10**30)),
        ({"$s": "t"}, {}, None),
        ({"$iso": "t"}, {"t": "2017-06-01 12:00:00 UTC"}, "2017-06-01 12:00:00Z"),
        (
            {"$time": "t", "$format": "%d/%m/%Y %H:%M"},
            {"t": "1/6/2017 12:00"},
            "2017-06-01T12:00:00Z",
        ),
        ({"$time": "t", "$format": "%d/%m/%Y"}, {"t": "June"}, "June"),
        ({"$sum": ["a", "b"]}, {"a": 8.99, "b": "1.01"}, 10.0),
        ({"$sum": ["a", "b"]}, {"a": 8.99}, 8.99),
        ({"$sum": ["a", "b"]}, {"a": "9,99 €", "b": 1}, "9,99 €"),
        ({"$sum": ["a", "b"]}, {}, None),
        ({"$product": ["a", "b"]}, {"a": 0.1, "b": 3}, 0.3),
        ({"$product": ["a", "b"]}, {"a": 0.1}, None),
        ({"$text": "a", "$prefix": "p:"}, {"a": 1}, "p:1"),
        ({"$text": "a", "$prefix": "p:"}, {"a": ""}, None),
        ({"$object": "a", "$key": "k", "$value": "v"}, {"a": [{"k": "x", "v": 1}, {}]}, {"x": 1}),
        ({"$each": "a", "$fields": {"y": "x"}}, {"a": [{"x": 1}, {}, 7]}, [{"y": 1}, {}, 7]),
        ({"x": "a", "y": {"z": "b"}}, {"a": "-", "b": None}, None),
        ({"x": "a", "y": {"z": "b"}}, {"a": 0, "b": False}, {"x": 0, "y": {"z": False}}),
    ],
)
def test_a_template_does_what_jmespath_cannot(template: Any, value: Any, result: Any) -> None:
    assert compile_template(template, Scope("here", frozenset({"-"})))(value) == result


def test_a_hash_depends_on_what_is_said_and_not_on_its_order() -> None:
    digest = compile_template({"$hash": ["a", "b"], "$prefix": "h:"}, Scope("id"))
    assert digest({"a": {"x": 1, "y": 2}, "b": 1}) == digest({"b": 1, "a": {"y": 2, "x": 1}})
    assert digest({"a": 1}) != digest({"b": 1})
    assert len(digest({})) == len("h:") + 32


GOOD = """
dialect: till
version: 1
recognised_by: [{till: any}]
name: kind
events: {purchase: [sale]}
message_id: [{id: bon}]
envelope: {userId: card, timestamp: at}
"""


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("name: kind", "name: kind[", r"name: 'kind\[' is no JMESPath expression"),
        ("version: 1", "", r"missing required field `version`"),
        ("version: 1", "version: one", r"Expected `int`, got `str` - at `\$\.version`"),
        ("version: 1", "version: 1\nvorsion: 2", r"unknown field `vorsion`"),
        ("purchase:", "purchas:", r"'purchas' is no canonical event; give one of add_to_cart, "),
        ("{till: any}", "{till: float}", r"recognised_by\.till: 'float' is no type; give one of"),
        ("{till: any}", "{}", r"recognised_by: an alternative without a field"),
        ("userId: card", "user: card", r"envelope\.user is no field; give one of anonymousId,"),
        ("userId: card", "userId: 7", r"envelope\.userId: 7 is neither an expression"),
        ("userId: card", "userId: {$md5: card}", r"envelope\.userId: \$md5 is no operation; known"),
        ("userId: card", "userId: {$hash: card}", r"envelope\.userId\.\$hash: 'card' is no list"),
        (
            "timestamp: at",
            "properties: {products: {$each: rows, $let: [a], $fields: {}}}",
            r"envelope\.properties\.products\.\$let: \['a'\] is no object",
        ),
        ("{id: bon}", "{id: bon, only: sale}", r"'sale' is no canonical event"),
        ("name: kind", "name: [", r"is no YAML"),
        (
            "name: kind",
            "name: kind\nconsent: {purposes: {Ads: ok}, granted: [], denied: []}",
            r"consent\.purposes has Ads; give Analytics and Personalization",
        ),
        ("name: kind", "name: kind\nparts: {of: x, at_most: 0}", r"parts\.at_most is 0"),
    ],
)
def test_a_bad_mapping_file_is_named_with_its_key_and_the_remedy(
    tmp_path: Path, good: str, bad: str, message: str
) -> None:
    path = tmp_path / "till.yml"
    path.write_text(GOOD)
    assert read_mapping(path).mapping.dialect.name == "till"
    path.write_text(GOOD.replace(good, bad))
    with pytest.raises(BadArgument, match=message) as raised:
        read_mapping(path)
    assert str(path) in str(raised.value)


def test_the_mapping_file_in_the_docs_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "till.yml"
    path.write_text(block)
    record = {"till": 1, "receipt": 7, "kind": "sale", "card": "900", "at": 1e9, "ok": "Y"}
    (mapped,) = read_mapping(path).mapping.native(record | {"rows": [{"ean": 4, "n": 1}]})
    assert mapped.envelope == {
        "type": "track",
        "event": "Order Completed",
        "messageId": "till:7",
        "userId": "900",
        "timestamp": "2001-09-09T01:46:40Z",
        "properties": {"order_id": 7, "products": [{"product_id": 4, "quantity": 1}]},
        "context": {
            "consent": {"categoryPreferences": {"Analytics": True, "Personalization": True}}
        },
    }


def test_yes_and_no_are_words_in_a_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "till.yml"
    consent = (
        "consent: {purposes: {Analytics: a, Personalization: b}, granted: [Yes], denied: [No]}"
    )
    path.write_text(GOOD + consent)
    read = read_mapping(path).mapping.consent
    assert read is not None
    assert (read.granted, read.denied) == ({"yes"}, {"no"})


def test_a_mapping_file_that_is_not_there_is_a_bad_argument(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"cannot read .*till\.yml: No such file"):
        read_mapping(tmp_path / "till.yml")
