"""The tables' docs, served to this machine."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from footfall.errors import BadArgument
from footfall.warehouse.docs import serve_docs

# What a shell starts in the background has Ctrl-C ignored, and its children too.
SERVE = """
import signal
import sys
from pathlib import Path
from footfall.warehouse.docs import serve_docs
signal.signal(signal.SIGINT, signal.default_int_handler)
serve_docs(Path(sys.argv[1]), 0, lambda url: print(url, flush=True))
print("over")
"""


def test_the_page_is_served_until_ctrl_c(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Tables</h1>")
    command = [sys.executable, "-c", SERVE, str(page)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urlopen(url) as answer:
            assert answer.read() == b"<h1>Tables</h1>"
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        with pytest.raises(HTTPError, match="404") as refused:
            urlopen(f"{url}../etc/passwd")
        refused.value.close()
        server.send_signal(signal.SIGINT)
        assert server.stdout.read() == "over\n"
    assert server.returncode == 0


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadArgument, match=f"--port {port}: .*in use"):
            serve_docs(tmp_path, port, print)
