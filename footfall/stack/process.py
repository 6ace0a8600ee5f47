"""Start, recognise and stop the processes of the local servers.

A server outlives the command that started it. What is written down of it is its pid and the moment
of its birth; a pid that the system has since given to something else has another birth, so it is
never signalled.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from footfall.errors import ServerUnavailable
from footfall.stack.account import Account

KILL_SECONDS = 5.0
COMPLAINTS = ("FATAL", "PANIC", "ERROR", "Error", "Exception", "panicked")


@dataclass(frozen=True)
class Process:
    """One process, for good: its pid and its birth."""

    pid: int
    born: str

    def alive(self) -> bool:
        """Say whether this very process still runs."""
        return self.born != "" and birth(self.pid) == self.born

    def listens(self, port: int) -> bool:
        """Say whether this very process, and no other, accepts connections on `port`."""
        if not self.alive():
            return False
        try:
            sockets = psutil.Process(self.pid).net_connections("tcp")
        except psutil.NoSuchProcess:
            return False
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
            for one in sockets
        )

    def stop(self, *, by: signal.Signals = signal.SIGTERM, seconds: float = 15.0) -> bool:
        """Ask it to stop, kill its process group after `seconds`; return whether it ran at all."""
        if not self.alive():
            return False
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            process = psutil.Process(self.pid)
            group = os.getpgid(self.pid)
            process.send_signal(by)
            try:
                process.wait(seconds)
            except psutil.TimeoutExpired:
                if group == os.getpgid(0):
                    process.kill()
                else:
                    os.killpg(group, signal.SIGKILL)
                process.wait(KILL_SECONDS)
        return True


def birth(pid: int) -> str:
    """Return what tells this process from any other of the same pid; '' if it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return ""
        if sys.platform != "linux":
            return f"{process.create_time():.2f}"
        # Ticks since boot: psutil's create_time moves when somebody sets the clock.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text()[:8]}-{ticks}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return ""


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> Process:
    """Start a server that belongs to no terminal and has no parent; its output goes to `log`.

    The log of the run before is kept as ``<log>.1``.
    """
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    words = [*(account.prefix if account else ()), *map(str, command)]
    with log.open("wb") as out:
        launched = subprocess.run(
            ["sh", "-c", '"$@" >&2 & echo $!', "sh", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            cwd="/",
            env=None if env is None else dict(env),
            start_new_session=True,
            check=True,
            user=account.user if account else None,
            group=account.group if account else None,
            extra_groups=account.extra_groups if account else None,
        )
    pid = int(launched.stdout)
    return Process(pid, birth(pid))


def complaint(log: Path) -> str:
    """Return the line of a log that says why its server died: its last error or last line."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    except OSError:
        return "it wrote no log"
    lines = [line for line in lines if line] or ["it logged nothing"]
    errors = [line for line in lines if any(word in line for word in COMPLAINTS)]
    return (errors or lines)[-1][:300]


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(*preferred: int) -> int:
    """Return the first preferred port that is free, else any free one."""
    for port in preferred:
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_port(port: int, setting: str) -> int:
    """Return `port`, which a setting demands.

    Raises:
        ServerUnavailable: somebody else listens there.
    """
    if not is_free(port):
        raise ServerUnavailable(
            f"{setting}={port}: the port is taken by another program; free it, or choose another"
        )
    return port
