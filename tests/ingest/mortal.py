"""Servers that a test may kill, and that come back with their data."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from footfall.settings import Settings
from footfall.stack import kafka
from footfall.stack.home import Entry, Home
from footfall.stack.server import Server

# A broker that was killed may come back at once, and cleans its logs without waiting.
EAGER = """\
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
log.cleaner.backoff.ms=50
"""


class Mortal:
    """One server of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._entry: Entry = server.up()

    @property
    def kind(self) -> str:
        """What its start noted of its kind."""
        return str(self._entry.get("kind", self._server.name))

    @property
    def address(self) -> str:
        """Where it is: the same after each start."""
        return str(self._entry["address"])

    def kill(self) -> None:
        """Kill it as a power cut would."""
        process = psutil.Process(self._entry["pid"])
        children = process.children()
        process.send_signal(signal.SIGKILL)
        psutil.wait_procs([process, *children], timeout=30)  # children see that it is gone

    def revive(self) -> None:
        """Start it again where it was."""
        address = self.address
        self._entry = self._server.up()
        assert self.address == address

    def stop(self) -> None:
        """Stop it for good."""
        self._server.down(self._entry)


@contextmanager
def mortals(folder: Path, *kinds: type[Server], **settings: object) -> Iterator[list[Mortal]]:
    """Run servers of some kinds in a folder of their own."""
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)  # Postgres, which is not root, has to reach its data
    home = Home(folder)
    home.claim()
    running: list[Mortal] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka, "PROPERTIES", kafka.PROPERTIES + EAGER)
        try:
            for kind in kinds:
                running.append(Mortal(kind(home, Settings.model_validate(settings))))
            yield running
        finally:
            for mortal in running:
                mortal.stop()
