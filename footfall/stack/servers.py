"""The local servers together: up, down, status, reset.

A server whose setting names an address (FOOTFALL_POSTGRES_DSN, FOOTFALL_REDIS_URL,
FOOTFALL_KAFKA_BOOTSTRAP) is somebody else's: asked whether it is well, never started or stopped.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from footfall.errors import BadArgument, FootfallError, ServerUnavailable
from footfall.settings import Settings, settings
from footfall.stack import kafka, postgres, redis
from footfall.stack.home import Entry, Home
from footfall.stack.server import NotYet, Server, process_of

T = TypeVar("T")
KINDS: tuple[type[Server], ...] = (postgres.Postgres, redis.Redis, kafka.Kafka)


@dataclass(frozen=True)
class Service:
    """One server as found: its address, what else is known of it, and what is wrong with it."""

    name: str
    address: str | None
    healthy: bool
    facts: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Status:
    """The servers as found."""

    services: tuple[Service, ...]
    airflow: Service

    @property
    def healthy(self) -> bool:
        """Whether all but Airflow answer, and Airflow too if it was started."""
        airflow = self.airflow.address is None or self.airflow.healthy
        return airflow and all(service.healthy for service in self.services)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``footfall status --json`` prints."""
        keys = {"postgres": "dsn", "redis": "url", "kafka": "bootstrap"}
        return {
            "services": {
                service.name: _as_dict(service, keys[service.name]) for service in self.services
            },
            "airflow": _as_dict(self.airflow, "url"),
        }


def up(*, airflow: bool = False) -> Status:
    """Start what does not run yet, make databases, tables and topics; return when all is healthy.

    Raises:
        ServerUnavailable: a server does not come up; with the last line of its log.
        BadArgument: FOOTFALL_HOME is not a folder for this.
    """
    chosen = settings()
    home = Home(chosen.home)
    with home.locked():
        home.claim()
        _at_once([_starter(kind, home, chosen) for kind in KINDS])
        if airflow:
            from footfall.stack import airflow as ui

            home.note("airflow", ui.up(home.read(), chosen))
    found = status()
    for service in (*found.services, found.airflow) if airflow else found.services:
        if service.problem:
            raise ServerUnavailable(f"{service.name} at {_place(service)}: {service.problem}")
    return found


def down() -> None:
    """Stop the local servers; harmless when none runs."""
    chosen = settings()
    home = Home(chosen.home)
    if not home.is_ours():
        return
    with home.locked():
        _stop(home, chosen)


def reset() -> None:
    """Stop the local servers and delete their data.

    Raises:
        BadArgument: the folder is not one where Footfall started servers.
    """
    chosen = settings()
    home = Home(chosen.home)
    if not home.path.exists():
        return
    if not home.is_ours():
        raise BadArgument(
            f"FOOTFALL_HOME={home.path} was not made by footfall up; nothing was deleted"
        )
    with home.locked():
        _stop(home, chosen)
        home.clear()


def status() -> Status:
    """Ask every server whether it is well."""
    chosen = settings()
    record = Home(chosen.home).read()
    checks = [_checker(kind.name, record["services"].get(kind.name), chosen) for kind in KINDS]
    services = _at_once(checks)
    return Status(tuple(services), _airflow_status(record.get("airflow")))


def _stop(home: Home, chosen: Settings) -> None:
    record = home.read()
    if "airflow" in record:
        from footfall.stack import airflow as ui

        ui.down(record["airflow"])
        home.note("airflow", None)
    servers = [kind(home, chosen) for kind in KINDS if kind.name in record["services"]]
    _at_once([_stopper(server, record["services"][server.name]) for server in servers])


def _starter(kind: type[Server], home: Home, chosen: Settings) -> Callable[[], None]:
    def start() -> None:
        if not _external(kind.name, chosen):
            kind(home, chosen).up()
        elif kind is postgres.Postgres:
            postgres.check_external(chosen.postgres)
        elif kind is redis.Redis:
            redis.check_external(chosen.redis)
        else:
            kafka.check_external(chosen.kafka, chosen)

    return start


def _stopper(server: Server, entry: Entry) -> Callable[[], None]:
    return lambda: server.down(entry)


def _external(name: str, chosen: Settings) -> str | None:
    addresses = {
        "postgres": chosen.postgres_dsn,
        "redis": chosen.redis_url,
        "kafka": chosen.kafka_bootstrap,
    }
    return addresses[name] or None


def _checker(name: str, entry: Entry | None, chosen: Settings) -> Callable[[], Service]:
    def check() -> Service:
        external = _external(name, chosen)
        address = external or (entry["address"] if entry else None)
        if address is None:
            return Service(name, None, False, _facts(name, None), "not started; run: footfall up")
        facts = _facts(name, entry) if not external else {"external": True}
        if external and name == "kafka":
            facts["kind"] = "external"
        if entry and not external and not process_of(entry).listens(entry["port"]):
            return Service(name, address, False, facts, "its process is gone; run: footfall up")
        try:
            _ask(name, address, chosen)
        except NotYet as reason:
            return Service(name, address, False, facts, str(reason))
        return Service(name, address, True, facts)

    return check


def _ask(name: str, address: str, chosen: Settings) -> None:
    if name == "postgres":
        postgres.answers(address)
    elif name == "redis":
        redis.answers(address)
    else:
        for topic in kafka.missing_topics(address, chosen):
            raise NotYet(f"topic {topic!r} is missing; run: footfall up")


def _facts(name: str, entry: Entry | None) -> dict[str, Any]:
    shown = {"postgres": ("admin_dsn",), "redis": (), "kafka": ("kind",)}[name]
    return {key: (entry or {}).get(key) for key in shown}


def _airflow_status(entry: Entry | None) -> Service:
    if entry is None:
        return Service("airflow", None, False, {})
    from footfall.stack import airflow as ui

    facts = {key: entry.get(key) for key in ("username", "password")}
    healthy = ui.status(entry)
    problem = None if healthy else "it is not healthy; run: footfall up --airflow"
    return Service("airflow", entry["url"], healthy, facts, problem)


def _place(service: Service) -> str:
    return str(service.address).rpartition("@")[2]


def _as_dict(service: Service, key: str) -> dict[str, Any]:
    problem = {"problem": service.problem} if service.problem else {}
    return {key: service.address, "healthy": service.healthy, **service.facts, **problem}


def _at_once(actions: list[Callable[[], T]]) -> list[T]:
    """Run all at the same time; wait for all; then raise the first failure, if any."""
    with ThreadPoolExecutor(max_workers=max(1, len(actions))) as pool:
        futures = [pool.submit(action) for action in actions]
    failures = [error for future in futures if (error := future.exception())]
    for failure in failures:
        if not isinstance(failure, FootfallError):
            raise failure
    if failures:
        raise failures[0]
    return [future.result() for future in futures]
