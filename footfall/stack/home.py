"""The folder of the local servers (FOOTFALL_HOME): its mark, its lock, its passwords, its record.

footfall.json   the mark that the folder is ours; passwords of the local servers
stack.json      what runs: addresses, pids, ports
lock            held while servers are started or stopped
logs/           one log per server
<server>/       the data of each
"""

import fcntl
import json
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from footfall.errors import BadArgument, ServerUnavailable

MARK = "footfall.json"
LOCK = "lock"
# What may lie in the folder before servers were ever started there.
HARMLESS = {LOCK, "dbt", "docs", "reports"}
LEAST_FREE_BYTES = 1_000_000_000

Entry = dict[str, Any]


class Home:
    """One stack's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writing = threading.Lock()

    @property
    def logs(self) -> Path:
        """The folder of the servers' logs."""
        return self.path / "logs"

    def is_ours(self) -> bool:
        """Say whether the servers were ever started in this folder."""
        return (self.path / MARK).is_file()

    def claim(self) -> None:
        """Make the folder and its mark.

        Raises:
            BadArgument: it holds something that is not ours, or cannot be made.
            ServerUnavailable: less than 1 GB is free there.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.is_ours():
                strange = {file.name for file in self.path.iterdir()} - HARMLESS
                if strange:
                    raise BadArgument(
                        f"FOOTFALL_HOME={self.path} holds {sorted(strange)[0]!r}, which is not "
                        "Footfall's; give a new or empty folder"
                    )
            self.logs.mkdir(exist_ok=True)
            free = shutil.disk_usage(self.path).free
            if free < LEAST_FREE_BYTES:
                raise ServerUnavailable(
                    f"only {free / 1e6:,.0f} MB are free at {self.path}; free 1 GB, or set "
                    "FOOTFALL_HOME to a folder on another disk"
                )
            if not self.is_ours():
                names = ("postgres", "footfall", "airflow")
                passwords = {name: secrets.token_urlsafe(24) for name in names}
                self._write(MARK, {"passwords": passwords})
        except OSError as error:
            reason = error.strerror or str(error)
            raise BadArgument(f"FOOTFALL_HOME={self.path} cannot be used: {reason}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock; waits for another command that starts or stops servers here."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / LOCK).open("a")
        except OSError as error:
            reason = error.strerror or str(error)
            raise BadArgument(f"FOOTFALL_HOME={self.path} cannot be used: {reason}") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def password(self, role: str) -> str:
        """Return the password of a role of the local Postgres."""
        return str(json.loads((self.path / MARK).read_text())["passwords"][role])

    def read(self) -> dict[str, Any]:
        """Return the record of what runs: ``{"services": {name: entry}, "airflow": entry}``."""
        try:
            record: dict[str, Any] = json.loads((self.path / "stack.json").read_text())
        except FileNotFoundError:
            return {"services": {}}
        return record

    def note(self, name: str, entry: Entry | None) -> None:
        """Record a server (None: it is gone); ``airflow`` stands beside the services."""
        with self._writing:
            record = self.read()
            place = record if name == "airflow" else record["services"]
            place.pop(name, None)
            if entry is not None:
                place[name] = entry
            if record["services"] or "airflow" in record:
                self._write("stack.json", record)
            else:
                (self.path / "stack.json").unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete everything in the folder but its lock."""
        for file in self.path.iterdir():
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            elif file.name != LOCK:
                file.unlink()

    def _write(self, name: str, content: dict[str, Any]) -> None:
        # Passwords inside: mkstemp makes it readable to its owner only.
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
        os.replace(temporary, self.path / name)
