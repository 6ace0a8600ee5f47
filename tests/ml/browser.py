"""A headless Chromium that shows a page: as a picture, as a PDF, and as what a script finds."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *(
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ),
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
FOUND = re.compile(r'<body[^>]* data-found="([^"]*)"')
SECONDS = 120


@dataclass(frozen=True)
class Browser:
    """Shows pages in a folder of its own."""

    program: str
    folder: Path

    def picture(self, html: str, *, width: int, height: int) -> Path:
        """Return a PNG of the page's top left."""
        png = self.folder / "page.png"
        self._run(html, f"--window-size={width},{height}", f"--screenshot={png}")
        return png

    def pdf(self, html: str) -> bytes:
        """Return the page as it is printed."""
        pdf = self.folder / "page.pdf"
        self._run(html, "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
        return pdf.read_bytes()

    def find(self, html: str, expression: str, *, width: int) -> Any:
        """Return what a JavaScript expression says of the page, through JSON."""
        script = (
            "<script>addEventListener('load', () => {"
            f"document.body.dataset.found = JSON.stringify({expression}); }});</script>"
        )
        shown = self._run(
            html.replace("</body>", script + "</body>"), f"--window-size={width},900", "--dump-dom"
        )
        found = FOUND.search(shown)
        assert found, f"no answer from the page: {shown[:200]}"
        return json.loads(unescape(found[1]))

    def _run(self, html: str, *flags: str) -> str:
        page = self.folder / "page.html"
        page.write_text(html)
        profile = self.folder / "profile"
        done = subprocess.run(
            [self.program, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        shutil.rmtree(profile, ignore_errors=True)
        assert done.returncode == 0, done.stderr[-500:]
        return done.stdout


def find_browser(folder: Path) -> Browser:
    """Return the first Chromium on PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in NAMES:
        if program := shutil.which(name):
            return Browser(program, folder)
    raise FileNotFoundError(
        "there is no chromium on PATH: install it (Debian: apt-get install chromium), or leave its "
        'tests out with: pytest -m "not browser"'
    )
