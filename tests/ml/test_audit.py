"""The audit report says how good the model is beside its baselines, and shows nobody's data."""

import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape

from ml.audit import Evidence, audit_report, findings, slices
from ml.catalogue import MODEL_FEATURES
from ml.checks import Check
from ml.evaluate import evaluate
from ml.labels import CHURN
from ml.learn import learn
from ml.train import Params
from tests.ml.samples import SPLIT, snapshots


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


@pytest.fixture(scope="module")
def evidence():
    learnt = learn(snapshots(), SPLIT, MODEL_FEATURES, Params(most_rounds=40, patience=10))
    return Evidence(
        model_id="churn-20170930-0123abcd",
        sha256=learnt.sha256,
        label=CHURN,
        as_of=datetime(2017, 9, 30, tzinfo=UTC),
        split=SPLIT,
        fitted_rows=learnt.fitted_rows,
        frame_sha256=learnt.frame_sha256,
        params=Params().as_dict(),
        calibration=learnt.calibration,
        holdout=learnt.holdout,
        probabilities=learnt.probabilities,
        baselines=learnt.baseline_probabilities,
        shap_values=learnt.shap_values,
        drift=learnt.drift,
        checks=learnt.checks,
    )


@pytest.fixture(scope="module")
def page(evidence):
    return audit_report(evidence)


def test_it_shows_the_metrics_of_the_model_and_of_each_baseline(evidence, page):
    for scores in (evidence.probabilities, *evidence.baselines.values()):
        metrics = evaluate(evidence.holdout.labels, scores)
        assert f"{metrics.auc:.3f}" in page
        assert f"{metrics.log_loss:.4f}" in page
    assert all(name in page for name in evidence.baselines)


def test_it_can_be_read_without_seeing_the_pictures(page):
    outline = Outline()
    outline.feed(page)
    pictures = outline.all("img")
    assert len(pictures) == 6
    assert all(len(picture["alt"] or "") > 40 for picture in pictures)
    assert outline.all("html")[0]["lang"] == "en"
    assert len(outline.all("h1")) == 1
    assert all(cell["scope"] in ("col", "row") for cell in outline.all("th"))
    labelled = {region["id"] for region in outline.all("p") if "id" in region}
    assert {table["aria-labelledby"] for table in outline.all("table") if table} <= labelled


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


def test_a_slice_too_small_to_judge_says_so(evidence):
    found = slices(evidence.holdout, evidence.probabilities)
    assert sum(part.rows for part in found) == len(evidence.holdout.labels)
    few = dataclasses.replace(
        evidence.holdout,
        values=evidence.holdout.values[:40],
        labels=evidence.holdout.labels[:40],
    )
    assert all(part.metrics is None for part in slices(few, evidence.probabilities[:40]))
