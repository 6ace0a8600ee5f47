"""The audit report says how good the model is beside its baselines, and shows nobody's data."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape

from ml.audit import DEPENDENCES, audit_report
from ml.catalogue import MODEL_FEATURES
from ml.checks import Check
from ml.evaluate import evaluate
from ml.explain import matrix_of
from ml.learn import learn
from ml.split import WEEK
from ml.summary import findings
from ml.train import Params, from_bytes
from tests.ml.samples import SPLIT, against, former, snapshots
from tests.ml.samples import evidence as samples_evidence


class Outline(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attributes):
        """Note the tag."""
        self.tags.append((tag, dict(attributes)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such tag."""
        return [attributes for name, attributes in self.tags if name == tag]


def contrast(ink: str, ground: str) -> float:
    """Return the contrast of two colours, by WCAG 2.2: 1 to 21."""
    lights = sorted(luminance(colour) for colour in (ink, ground))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(scope="module")
def evidence():
    params = Params(most_rounds=40, patience=10)
    frame = snapshots(customers=260)
    frame["trait:town"] = np.where(frame.index % 2, "Kiel", "Ulm")
    challenger = against(
        former(frame, Params(max_depth=2), rounds=15),
        samples_evidence(learn(frame, SPLIT, MODEL_FEATURES, params), params),
    )
    return challenger


@pytest.fixture(scope="module")
def page(evidence):
    return audit_report(evidence)


def test_it_shows_the_metrics_of_the_model_and_of_each_baseline(evidence, page):
    for scores in (evidence.predictions, *evidence.baselines.values()):
        metrics = evaluate(evidence.holdout.labels, scores)
        assert f"{metrics.auc:.3f}" in page
        assert f"{metrics.log_loss:.4f}" in page
    assert all(name in page for name in evidence.baselines)


def test_it_can_be_read_without_seeing_the_pictures(page):
    outline = Outline()
    outline.feed(page)
    pictures = outline.all("img")
    assert len(pictures) == 6 + DEPENDENCES + 1
    assert all(re.search(r"\d", picture["alt"] or "") for picture in pictures)
    assert outline.all("html")[0]["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(headings))
    assert all(cell["scope"] in ("col", "row", "rowgroup") for cell in outline.all("th"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    ids = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    links = {(link["href"] or "").removeprefix("#") for link in outline.all("a")}
    labels = {attributes.get("aria-labelledby") for _, attributes in outline.tags} - {None}
    assert links | labels <= ids


def test_its_colours_can_be_told_from_their_ground(page):
    style = page[page.index("<style>") : page.index("</style>")]
    inks = re.findall(r"(?:--ink|--soft|[{; ]color): (#[0-9a-f]+)", style)
    grounds = re.findall(r"background: (#[0-9a-f]+)", style)
    assert len(inks) >= 4
    assert min(contrast(ink, ground) for ink in inks for ground in grounds) >= 4.5


def test_it_needs_nothing_from_elsewhere(page):
    outline = Outline()
    outline.feed(page)
    assert not outline.all("script")
    assert not outline.all("link")
    assert all((picture["src"] or "").startswith("data:image/") for picture in outline.all("img"))
    assert not re.search(r"url\(|@import", page)


def test_it_holds_no_customers_id(page):
    assert not re.search(r"c[0-9a-f]{20}\b", re.sub(r"data:image/[^\"]+", "", page))


def test_it_names_the_artefact_the_rows_and_every_snapshot_range(evidence, page):
    told = (evidence.sha256, evidence.frame_sha256, str(SPLIT.holdout.date()))
    assert all(word in page for word in told)
    assert str(SPLIT.train[0].date()) in page


def test_it_answers_in_plain_words_first(page):
    ids = re.findall(r'<section id="(\w+)"', page)
    assert ids == [
        *("summary", "metrics", "checks", "slices", "features", "changes", "drift", "lineage")
    ]


def test_it_tells_what_changes_against_the_champion(evidence, page):
    changed = evidence.changes
    assert ("max_depth", 2, 3) in changed.params
    assert changed.former in page
    assert f"{changed.former_metrics.log_loss:.4f}" in page
    theirs = from_bytes(
        former(snapshots(customers=260), Params(max_depth=2), rounds=15).artefact
    ).predict(matrix_of(evidence.holdout.values, evidence.holdout.names))
    then = evaluate(evidence.holdout.labels, theirs.astype(np.float64))
    assert changed.former_metrics.log_loss == pytest.approx(then.log_loss, abs=1e-6)
    assert changed.gained.mean == pytest.approx(then.log_loss - changed.metrics.log_loss, abs=1e-6)


def test_a_champion_that_knows_the_holdout_is_not_measured_on_it(evidence):
    champion = dataclasses.replace(
        former(snapshots(), Params(), rounds=5), fitted_until=SPLIT.holdout + WEEK
    )
    changed = against(champion, evidence).changes
    assert (changed.former_metrics, changed.gained) == (None, None)
    assert "later than the holdout" in changed.not_compared
    assert "cannot be judged on this holdout" in audit_report(against(champion, evidence))


def test_a_champion_of_other_features_is_not_measured(evidence):
    champion = dataclasses.replace(
        former(snapshots(), Params(), rounds=5), features=("shoe_size", *MODEL_FEATURES[1:])
    )
    changed = against(champion, evidence).changes
    assert (changed.added, changed.removed) == ([MODEL_FEATURES[0]], ["shoe_size"])
    assert "shoe_size" in changed.not_compared


def test_what_a_reader_should_worry_about_comes_first(evidence, page):
    labels = evidence.holdout.labels
    ignorant = evaluate(labels, np.full(len(labels), 0.9))
    base = evaluate(labels, np.full(len(labels), labels.mean()))
    failed = Check("not_too_good", False, 0.99, 0.93, "the AUC is 0.990")
    assert findings({"model": base}, evidence.checks) == []
    assert findings({"model": ignorant, "base rate": base}, [failed]) == [
        "The AUC is 0.990.",
        "The log loss is not better than that of the baseline “base rate”.",
    ]
    assert all(str(escape(check.detail)) in page for check in evidence.checks)
