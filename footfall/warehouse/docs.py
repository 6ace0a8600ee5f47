"""The dbt docs: tables, columns and lineage as one HTML file, and a small server for it."""

from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from footfall.errors import BadArgument
from footfall.settings import settings
from footfall.warehouse.dbt import run_dbt

HOST = "127.0.0.1"
PORT = 18090


def generate_docs() -> Path:
    """Write the page that explains every table of the built warehouse; return its path.

    Raises:
        BuildFailed: dbt could not read the project or the database.
    """
    run_dbt(["docs", "generate", "--static"], caller="docs")
    return docs_page()


def docs_page() -> Path:
    """Return where the page is, or will be."""
    return settings().home / "dbt" / "docs" / "target" / "static_index.html"


def serve_docs(page: Path, port: int | None, on_ready: Callable[[str], None]) -> None:
    """Serve the page to this machine until Ctrl-C.

    Args:
        page: the file; read at each request.
        port: the port on 127.0.0.1; None for 18090, or a free one where that is taken.
        on_ready: is told the URL, once it answers.

    Raises:
        BadArgument: the port is taken, or may not be used.
    """
    with _server(page, port) as server:
        on_ready(f"http://{HOST}:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _server(page: Path, port: int | None) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((HOST, PORT if port is None else port), partial(_OnePage, page))
    except OSError as error:
        if port is None:
            return _server(page, 0)
        raise BadArgument(f"--port {port}: {error.strerror}; leave it out for a free one") from None


class _OnePage(BaseHTTPRequestHandler):
    """Answers with the page at /, and with nothing else."""

    def __init__(self, page: Path, *connection: object) -> None:
        self._page = page
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send the page."""
        if self.path.partition("?")[0] not in ("/", "/index.html"):
            self.send_error(404)
            return
        body = self._page.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""
