"""The dbt docs: tables, columns and lineage as one HTML file, and a small server for it.

The page is kept in Postgres, too: Airflow shows it where the file may not be.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from footfall.errors import BadArgument, NotFound
from footfall.settings import settings
from footfall.warehouse.connection import connect, transaction
from footfall.warehouse.dbt import PROJECT, run_dbt

HOST = "127.0.0.1"
PORT = 18090
WRITING = "hashtextextended('footfall.docs', 0)"
RENEWED_AFTER = timedelta(days=1)
SUFFIXES = frozenset({".csv", ".md", ".sql", ".yml"})


def generate_docs(*, now: datetime) -> Path:
    """Write the page that explains every table of the built warehouse, and keep it.

    Returns:
        The file.

    Raises:
        BuildFailed: dbt could not read the project or the database.
    """
    with _alone():
        return _generate(project_sha256(), now)


def renew_docs(*, now: datetime) -> Path | None:
    """Write the page anew where it is a day old, or the project is not the one it explains.

    Returns:
        The file; None if the page that is kept will do.

    Raises:
        BuildFailed: dbt could not read the project or the database.
    """
    with _alone():
        sha256 = project_sha256()
        with transaction() as connection:
            kept = connection.execute(
                "select 1 from ops.docs_page where project_sha256 = %s and written_at > %s",
                (sha256, now - RENEWED_AFTER),
            ).fetchone()
        return None if kept else _generate(sha256, now)


def kept_docs() -> str:
    """Return the newest page, as HTML.

    Raises:
        NotFound: none is written yet.
    """
    with transaction() as connection:
        row = connection.execute("select page from ops.docs_page").fetchone()
    if row is None:
        raise NotFound(
            "the docs are not written yet: the Dag build_warehouse writes them after its next "
            "build; at once: footfall docs"
        )
    return str(row[0])


def docs_page() -> Path:
    """Return where the file is, or will be."""
    return settings().home / "dbt" / "docs" / "target" / "static_index.html"


def project_sha256() -> str:
    """Return the hash of the project's files, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(PROJECT.rglob("*")):
        if file.suffix in SUFFIXES:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(PROJECT)} {content}\n".encode())
    return digest.hexdigest()


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


@contextmanager
def _alone() -> Iterator[None]:
    """Wait while somebody else writes the page: dbt's folder is for one at a time."""
    with connect(autocommit=True) as connection:
        connection.execute(f"select pg_advisory_lock({WRITING})")
        yield


def _generate(sha256: str, now: datetime) -> Path:
    run_dbt(["docs", "generate", "--static"], caller="docs")
    page = docs_page()
    with transaction() as connection:
        connection.execute(
            "insert into ops.docs_page (page, project_sha256, written_at) values (%s, %s, %s)"
            " on conflict (is_only) do update set page = excluded.page,"
            " project_sha256 = excluded.project_sha256, written_at = excluded.written_at",
            (page.read_text(), sha256, now),
        )
    return page


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
