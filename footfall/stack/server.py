"""Bring one local server up: leave a healthy one alone, start a missing one, or say why not."""

import logging
import time
from abc import ABC, abstractmethod
from pathlib import Path
from signal import SIGTERM, Signals
from typing import ClassVar

from footfall.errors import ServerUnavailable
from footfall.settings import Settings
from footfall.stack.home import Entry, Home
from footfall.stack.process import Process, choose_port, complaint, require_port

START_SECONDS = 60.0
ANSWER_SECONDS = 5.0
STARTS = 4
RESTART_SECONDS = 1.0
# Another program took the port in between, or the children of a killed server are still going.
PASSING = "in use"
POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class NotYet(Exception):
    """The server does not answer; the text says how."""


class Server(ABC):
    """One local server, of which each kind says how it starts, answers and stops."""

    name: ClassVar[str]
    title: ClassVar[str]
    preferred_port: ClassVar[int]
    stop_signal: ClassVar[Signals] = SIGTERM
    stop_seconds: ClassVar[float] = 15.0

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home = home
        self.settings = settings

    @property
    def folder(self) -> Path:
        """Where its data lie."""
        return self.home.path / self.name

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.home.logs / f"{self.name}.log"

    def prepare(self) -> None:
        """Make what must be there before the start."""
        self.folder.mkdir(exist_ok=True)

    @abstractmethod
    def start(self, port: int) -> tuple[Process, Entry]:
        """Start it on `port`; return the process and what to record of it."""

    @abstractmethod
    def answer(self, entry: Entry) -> None:
        """Ask it a real question; raise NotYet if it does not answer."""

    def finish(self, entry: Entry) -> None:
        """Make what must be there once it answers; harmless when it already is."""
        return

    def up(self) -> Entry:
        """Return the entry of the running server, started if need be.

        Raises:
            ServerUnavailable: it does not come up; with the last line of its log.
        """
        entry = self.home.read()["services"].get(self.name)
        if entry is not None and process_of(entry).alive():
            try:
                self._await(entry, ANSWER_SECONDS)
            except ServerUnavailable:
                self.down(entry)
            else:
                self.finish(entry)
                return dict(entry)
        entry = self._start(last_port=entry["port"] if entry else None)
        self.finish(entry)
        return entry

    def down(self, entry: Entry) -> None:
        """Stop the recorded process, if it is still that process."""
        process_of(entry).stop(by=self.stop_signal, seconds=self.stop_seconds)
        self.home.note(self.name, None)

    def _start(self, last_port: int | None) -> Entry:
        self.prepare()
        for left in reversed(range(STARTS)):
            port = self._port(last_port)
            process, facts = self.start(port)
            entry = {**facts, "port": port, "pid": process.pid, "born": process.born}
            self.home.note(self.name, entry)
            try:
                self._await(entry, START_SECONDS)
            except ServerUnavailable:
                self.down(entry)
                if not left or PASSING not in self.log.read_text(errors="replace"):
                    raise
                time.sleep(RESTART_SECONDS)
            else:
                return entry
        raise AssertionError("unreachable")

    def _port(self, last_port: int | None) -> int:
        setting = f"{self.name}_port"
        fixed = getattr(self.settings, setting)
        if fixed is not None:
            return require_port(fixed, f"FOOTFALL_{setting.upper()}")
        port = choose_port(*filter(None, (last_port, self.preferred_port)))
        if last_port is None and port != self.preferred_port:
            log.info("%s: port %s is taken, using %s", self.title, self.preferred_port, port)
        return port

    def _await(self, entry: Entry, seconds: float) -> None:
        process = process_of(entry)
        deadline = time.monotonic() + seconds
        while True:
            try:
                # Another program may have taken the port first, and would answer in its place.
                if not process.listens(entry["port"]):
                    raise NotYet("it does not listen there")
                self.answer(entry)
                return
            except NotYet as reason:
                if not process.alive():
                    raise ServerUnavailable(
                        f"{self.title} died at its start: {complaint(self.log)} (log: {self.log})"
                    ) from None
                if time.monotonic() > deadline:
                    raise ServerUnavailable(
                        f"{self.title} at 127.0.0.1:{entry['port']} does not answer after "
                        f"{seconds:.0f} s: {reason} (log: {self.log})"
                    ) from None
                time.sleep(POLL_SECONDS)


def process_of(entry: Entry) -> Process:
    """Return the process that an entry records."""
    return Process(int(entry["pid"]), str(entry["born"]))
