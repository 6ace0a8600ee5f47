"""Loaders in processes of their own: started, watched, killed, stopped and woken."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parent / "doomed_loader.py"


class LoaderProcess:
    """One loader that has begun to load."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, str(PROGRAM), *words]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.line() == "loading"

    def line(self) -> str:
        """Return the next line that it prints; empty at its end."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def lives_for(self, seconds: float) -> bool:
        """Wait at most so long for its end; say whether it still runs."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._process.kill()

    def await_stop(self) -> None:
        """Wait until it has stopped itself."""
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), status

    def wake(self) -> None:
        """Let a stopped loader go on."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> tuple[int, list[str]]:
        """Wait for its end; give its exit code and what it printed since."""
        said, _ = self._process.communicate(timeout=120)
        return self._process.returncode, said.splitlines()


@contextmanager
def loading(*words: str) -> Iterator[LoaderProcess]:
    """Run a loader with the words of doomed_loader.py; it does not outlive the block."""
    process = LoaderProcess(*words)
    try:
        yield process
    finally:
        process.wake()
        process.kill()
        process.end()
