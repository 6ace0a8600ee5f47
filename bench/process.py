"""Run a contender as a process of its own, and see how much memory it takes."""

import itertools
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

LONGEST_SECONDS = 600
SAMPLE_SECONDS = 0.1
LOOK_FOR_CHILDREN_EVERY = 10  # samples: finding them means reading all of /proc


class NotMeasured(Exception):
    """A contender could not be run, or did not do what was asked; the text says why."""


@dataclass(frozen=True)
class Finished:
    """What a process printed, how long it ran from its start to its end, and its peak memory."""

    output: str
    seconds: float
    peak_mb: float


class PeakMemory:
    """The most resident memory that a process and all its children had together, by samples."""

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()

    def _resident(self, process: psutil.Process) -> int:
        return int(process.memory_info().rss)

    def _watch(self) -> None:
        family = [self._process]
        for number in itertools.count():
            if self._ended.wait(SAMPLE_SECONDS):
                return
            try:
                if number % LOOK_FOR_CHILDREN_EVERY == 0:
                    family = [self._process, *self._process.children(recursive=True)]
                resident = sum(self._resident(process) for process in family)
            except psutil.NoSuchProcess:  # one of them has just ended
                family = [self._process]
            else:
                self.megabytes = max(self.megabytes, resident / 1e6)


class SharedOnce(PeakMemory):
    """The same where pages that processes share count once: a server's buffers."""

    def _resident(self, process: psutil.Process) -> int:
        return int(process.memory_full_info().pss)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    given: str = "",
    longest: float = LONGEST_SECONDS,
    memory: type[PeakMemory] = PeakMemory,
) -> Finished:
    """Run a command to its end; ``memory`` says which of its pages count.

    Raises:
        NotMeasured: it failed or took too long.
    """
    with tempfile.TemporaryFile("w+") as task, tempfile.TemporaryFile("w+") as errors:
        task.write(given)
        task.seek(0)
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=task, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            with memory(process.pid) as peak:
                output, _ = process.communicate(timeout=longest)
                seconds = time.perf_counter() - started
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NotMeasured(f"did not end within {longest:.0f} s") from None
        if process.returncode:
            errors.seek(0)
            said = [line.strip() for line in errors if line.strip()] or ["no reason given"]
            raise NotMeasured(f"exit {process.returncode}: {said[-1][:200]}")
    return Finished(output, seconds, peak.megabytes)


@contextmanager
def running(command: Sequence[str | Path], *, log: Path) -> Iterator[tuple[int, PeakMemory]]:
    """Run a service while the block lasts; give its pid and its memory."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        with PeakMemory(process.pid) as memory:
            yield process.pid, memory
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
