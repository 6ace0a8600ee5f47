"""In a real browser the report loads nothing, fits 800 pixels and paper, and looks as in the docs.

``make pictures`` writes docs/pictures anew.
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from ml.audit import audit_report
from tests.ml.browser import Browser, find_browser
from tests.ml.samples import shown

pytestmark = pytest.mark.browser
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
WIDTH = 800
SHOWN = {  # picture: the section that it shows, and the height to which
    "report-summary": ("summary", 1060),
    "report-slices": ("slices", 1420),
    "report-features": ("features", 3330),
}
BLOCK = 20  # pixels: fonts differ from machine to machine, the layout does not
DIFFERENCE = 0.025  # from 0 (black) to 1 (white), the mean over the blocks
FITS = "[document.documentElement.scrollWidth, innerWidth]"
INNER = (
    "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    ".map(e => e.getAttribute('aria-labelledby'))"
)
LOADED = "performance.getEntriesByType('resource').map(e => e.name).filter(n => !/^data:/.test(n))"
BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"


@pytest.fixture(scope="module")
def page() -> str:
    return audit_report(shown())


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return find_browser(tmp_path)


def only(page: str, section: str) -> str:
    """Leave one section of the page; of the first, the page as it begins."""
    if section == "summary":
        return page
    hidden = f"header, main > section:not(#{section})"
    return page.replace("</style>", f"{hidden} {{ display: none; }}</style>")


def coarse(picture: Path) -> np.ndarray:
    grey = imread(picture)[:, :, :3].mean(axis=2)
    high, wide = (size // BLOCK for size in grey.shape)
    blocks = grey[: high * BLOCK, : wide * BLOCK].reshape(high, BLOCK, wide, BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3)))


def test_it_loads_nothing_and_fits_800_pixels_and_a_phone_scrolls_its_tables_only(browser, page):
    found = browser.find(page, f"[{FITS}, {INNER}, {LOADED}, {BROKEN}]", width=WIDTH)
    assert found == [[WIDTH, WIDTH], [], [], 0]
    (inside, there), *_ = browser.find(page, f"[{FITS}]", width=500)
    assert inside <= there


def test_a_page_that_loads_or_overflows_would_be_noticed(browser, page):
    wrong = page.replace(
        "<main>",
        '<main><img src="https://shop.invalid/a.png" alt=""><p style="min-width: 900px">wide</p>',
    )
    (inside, there), _, loaded, broken = browser.find(
        wrong, f"[{FITS}, {INNER}, {LOADED}, {BROKEN}]", width=WIDTH
    )
    assert inside > there
    assert loaded == ["https://shop.invalid/a.png"]
    assert broken == 1


def test_it_can_be_printed(browser, page):
    pdf = browser.pdf(page)
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 5 <= pages <= 14
    assert b"/StructTreeRoot" in pdf  # tagged: a screen reader finds headings and tables


@pytest.mark.parametrize("name", SHOWN)
def test_it_looks_as_the_docs_show_it(browser, page, name):
    section, height = SHOWN[name]
    taken = browser.picture(only(page, section), width=WIDTH, height=height)
    kept = PICTURES / f"{name}.png"
    if os.environ.get("WRITE_PICTURES"):
        shutil.copyfile(taken, kept)
    now, then = coarse(taken), coarse(kept)
    assert np.abs(1.0 - then).mean() > DIFFERENCE  # a blank page would be noticed
    off = float(np.abs(now - then).mean())
    assert off <= DIFFERENCE, f"{kept} is off by {off:.3f}; look at it and run: make pictures"
