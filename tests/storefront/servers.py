"""Valkey servers of a test's own, on loopback: plain, sentinels, and nodes of a cluster."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import trustme
from redis import Redis
from redis.exceptions import ConnectionError

from footfall.stack.redis import binary

LONGEST_SECONDS = 60
NAME = "shop"


def until(holds: Callable[[], object], what: str) -> None:
    """Ask again and again, up to a minute."""
    end, pause = monotonic() + LONGEST_SECONDS, threading.Event()
    while not holds():
        assert monotonic() < end, f"{what} within {LONGEST_SECONDS} s"
        pause.wait(0.05)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def valkey(folder: Path, *words: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block lasts; a first word that is a file is its configuration."""
    folder.mkdir(exist_ok=True)
    options = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    config, rest = (
        (words[:1], words[1:]) if words and not words[0].startswith("--") else ((), words)
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary(), *config, *options, *rest], stdout=log, stderr=log)
    try:
        with Redis(port=port, protocol=2) as client:
            until(lambda: _answers(client), f"the server on port {port} answers")
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except ConnectionError:
        return False


@contextmanager
def cluster(folder: Path, *, nodes: int = 3) -> Iterator[list[int]]:
    """Run a cluster whose nodes share the slots; give their ports."""
    ports = free_ports(2 * nodes)
    with ExitStack() as running:
        for port, bus in zip(ports[:nodes], ports[nodes:], strict=True):
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus))
            running.enter_context(valkey(folder / str(port), *options, port=port))
        clients = [running.enter_context(Redis(port=port)) for port in ports[:nodes]]
        for number, client in enumerate(clients):
            first, end = 16384 * number // nodes, 16384 * (number + 1) // nodes
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER MEET", "127.0.0.1", ports[0], ports[nodes])
        for client in clients:
            until(
                lambda client=client: client.cluster("info")["cluster_state"] == "ok",
                "the cluster is whole",
            )
        yield ports[:nodes]


@contextmanager
def watched_pair(folder: Path) -> Iterator[tuple[list[int], list[subprocess.Popen[bytes]], int]]:
    """Run a master, its replica and a sentinel; give ports, processes, the sentinel's port."""
    folder.mkdir(exist_ok=True)
    master, replica, sentinel = free_ports(3)
    config = folder / "sentinel.conf"
    config.write_text(
        f"sentinel monitor {NAME} 127.0.0.1 {master} 1\n"
        f"sentinel down-after-milliseconds {NAME} 500\n"
        f"sentinel failover-timeout {NAME} 5000\n"
    )
    with (
        valkey(folder / "master", "--repl-diskless-sync-delay", "0", port=master) as first,
        valkey(
            folder / "replica",
            *("--replicaof", f"127.0.0.1 {master}"),
            port=replica,
        ) as second,
        valkey(folder / "sentinel", str(config), "--sentinel", port=sentinel),
        Redis(port=replica) as there,
        Redis(port=sentinel, decode_responses=True) as watcher,
    ):
        until(lambda: there.info("replication")["master_link_status"] == "up", "a copy is made")
        until(lambda: watcher.sentinel_slaves(NAME), "the sentinel knows the replica")
        yield [master, replica], [first, second], sentinel


@contextmanager
def tls_in_front_of(port: int, authority: trustme.CA) -> Iterator[int]:
    """Take TLS off what comes in and pass it on to a port, as stunnel does; give the port of it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=_let_in, args=(door, context, port), daemon=True).start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)


def _let_in(door: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            plain, _ = door.accept()
        except OSError:  # closed: the test is over
            return
        try:
            inside = context.wrap_socket(plain, server_side=True)
        except OSError:  # the client does not trust us, as a test wants it
            plain.close()
            continue
        behind = socket.create_connection(("127.0.0.1", port))
        for source, target in ((inside, behind), (behind, inside)):
            threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()
