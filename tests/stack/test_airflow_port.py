"""Another program on Airflow's port is never taken for our Airflow."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from footfall.errors import ServerUnavailable
from footfall.stack import airflow
from footfall.stack.process import start


class Stranger(BaseHTTPRequestHandler):
    """Says that all is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"metadatabase": {"status": "healthy"}}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stranger() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def entry(port: int, tmp_path, *words: str) -> dict:
    process = start(["sleep", *words], log=tmp_path / "log", env={"PATH": "/usr/bin:/bin"})
    ours = {"pid": process.pid, "born": process.born, "session": 0, "log": str(tmp_path / "log")}
    return {
        "url": f"http://127.0.0.1:{port}",
        "port": port,
        "processes": {"api-server": ours | {"started_at": "2026-01-01T00:00:00+00:00"}},
    }


def test_a_stranger_that_says_it_is_healthy_is_not_our_api_server(stranger, tmp_path):
    found = entry(stranger, tmp_path, "60")
    health = airflow._health(found)
    assert health["metadatabase"]["status"] == "healthy"
    assert not airflow._healthy(found, "api-server", health)
    airflow._process(found["processes"]["api-server"]).stop()


def test_an_api_server_that_lost_its_port_is_told_apart_from_one_that_failed(stranger, tmp_path):
    with pytest.raises(airflow.PortLost, match=str(stranger)):
        airflow._wait(entry(stranger, tmp_path, "0"), ("api-server",))
    free = entry(1, tmp_path, "0") | {"port": 0}
    with pytest.raises(ServerUnavailable, match="ended"):
        airflow._wait(free, ("api-server",))
