"""Airflow on this machine: its four processes, its settings, its own database.

The api-server comes first, for a scheduler without it fails its first tasks. Each process leads a
session of its own, and everything it forks stays in there: a stop ends the whole session, so that
no orphan goes on running a task or keeps the port.
"""

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import SecretStr

from footfall.errors import ServerUnavailable
from footfall.settings import ROOT, Settings, settings
from footfall.stack.home import Entry, Home
from footfall.stack.process import Process, choose_port, complaint, is_free, require_port, start

USERS = {"admin": "admin", "viewer": "viewer"}  # name: role
PORT = 18080
PORTS_TO_TRY = 3
HEALTHY_SECONDS = 180.0
MIGRATE_SECONDS = 300.0
STOP_SECONDS = 8.0
ANSWER_SECONDS = 15.0
POLL_SECONDS = 0.25
# Process, its words after `airflow`, what /monitor/health calls it. In the order of starting.
PROCESSES = {
    "api-server": (("api-server",), "metadatabase"),
    "dag-processor": (("dag-processor",), "dag_processor"),
    "scheduler": (("scheduler", "--skip-serve-logs"), "scheduler"),
    "triggerer": (("triggerer", "--skip-serve-logs"), "triggerer"),
}


class PortLost(ServerUnavailable):
    """Another program took the port between its choice and the api-server's bind."""


def up(record: Mapping[str, Any], chosen: Settings) -> Entry:
    """Start what does not run yet, and wait until all of it is healthy.

    Args:
        record: what runs, as ``stack.json`` has it; its Postgres must run.
        chosen: the settings, in whose ``home`` Airflow lives.

    Returns:
        The entry of ``stack.json``: url, username, password, processes.

    Raises:
        ServerUnavailable: a process died or is not healthy in time; names its log.
    """
    home = Home(chosen.home)
    entry: Entry = dict(record.get("airflow") or {})
    folder = chosen.home / "airflow"
    passwords = _prepare(folder)
    old: dict[str, Entry] = entry.get("processes", {})
    running = {name: process for name, process in old.items() if _process(process).alive()}
    if "api-server" not in running:
        _end(old)
        running = {}
    database = _database(record, chosen)
    _migrate(folder, environment(chosen, database, PORT), home.logs / "airflow-migrate.log")
    for attempt in range(PORTS_TO_TRY):
        port = int(entry["port"]) if running else _port(entry, chosen)
        entry = {
            "url": f"http://127.0.0.1:{port}",
            "port": port,
            "username": "admin",
            "password": passwords["admin"],
            "processes": running,
        }
        try:
            _start_missing(entry, environment(chosen, database, port), home)
            return entry
        except PortLost:
            _end(entry["processes"])
            running = {}
            if attempt == PORTS_TO_TRY - 1 or chosen.airflow_port:
                raise
    raise AssertionError("the last attempt returned or raised")


def _start_missing(entry: Entry, env: Mapping[str, str], home: Home) -> None:
    """Start the processes that do not run, the api-server first, and wait for each."""
    running = entry["processes"]
    for wave in (("api-server", "dag-processor"), ("scheduler", "triggerer")):
        for name in wave:
            if name not in running:
                running[name] = _start(name, env, home.logs)
                home.note("airflow", entry)
        _wait(entry, wave)


def down(entry: Entry) -> None:
    """End every process of Airflow and all that they started."""
    _end(entry.get("processes", {}))


def status(entry: Entry) -> bool:
    """Say whether all four processes run and say that they are healthy."""
    health = _health(entry)
    return all(_healthy(entry, name, health) for name in PROCESSES)


def environment(chosen: Settings, database: str, port: int) -> dict[str, str]:
    """Return the environment of Airflow's processes, and so of every task."""
    url = f"http://127.0.0.1:{port}"
    folder = chosen.home / "airflow"
    ambient = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    ours = chosen.model_dump(mode="json", exclude_none=True)
    # shown as asterisks there, which no server takes for a password
    ours |= {name: it.get_secret_value() for name, it in chosen if isinstance(it, SecretStr)}
    tail = database.partition("://")[2]
    airflow = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "8",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__EXECUTE_TASKS_NEW_PYTHON_INTERPRETER": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
            f"{name}:{role}" for name, role in USERS.items()
        ),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{tail}",
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+psycopg_async://{tail}",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__INSTANCE_NAME": "Footfall",
        "API_AUTH__JWT_SECRET": (folder / "jwt-secret").read_text(),
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        **ambient,
        **{f"FOOTFALL_{name.upper()}": str(value) for name, value in ours.items()},
        **{f"AIRFLOW__{name}": value for name, value in airflow.items()},
        "AIRFLOW_HOME": str(folder),
        "NO_PROXY": ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("NO_PROXY")])),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
    }


def _prepare(folder: Path) -> dict[str, str]:
    """Write Airflow's folder: users' passwords, the key of its tokens, the warm imports."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    passwords = folder / "passwords.json"
    if not passwords.exists():
        _keep(passwords, json.dumps({name: secrets.token_urlsafe(12) for name in USERS}))
    if not (folder / "jwt-secret").exists():
        _keep(folder / "jwt-secret", secrets.token_urlsafe(64))
    name = "airflow_local_settings.py"
    shutil.copyfile(Path(__file__).with_name(name), folder / "config" / name)
    read: dict[str, str] = json.loads(passwords.read_text())
    return read


def _keep(file: Path, secret: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secret)


def _port(entry: Entry, chosen: Settings) -> int:
    if chosen.airflow_port:
        return require_port(chosen.airflow_port, "FOOTFALL_AIRFLOW_PORT")
    return choose_port(*([entry["port"]] if entry else []), PORT)


def _database(record: Mapping[str, Any], chosen: Settings) -> str:
    if chosen.airflow_dsn:
        return chosen.airflow_dsn
    local = record["services"].get("postgres", {}).get("airflow_dsn")
    if not local:
        raise ServerUnavailable(
            "FOOTFALL_POSTGRES_DSN replaces the local Postgres, and Airflow needs a database of "
            "its own; set FOOTFALL_AIRFLOW_DSN=postgresql://user:password@host:port/airflow"
        )
    return str(local)


def _migrate(folder: Path, env: Mapping[str, str], log: Path) -> None:
    """Bring Airflow's tables up to date, unless this version has done so in this database."""
    stamp = folder / "migrated"
    place = env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].rpartition("@")[2]
    now = f"{version('apache-airflow-core')} {place.partition('/')[2]}"
    if stamp.exists() and stamp.read_text() == now:
        return
    with log.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=dict(env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=MIGRATE_SECONDS,
            check=False,
        )
    if done.returncode:
        raise ServerUnavailable(f"Airflow's database at {place}: {complaint(log)} ({log})")
    stamp.write_text(now)


def _start(name: str, env: Mapping[str, str], logs: Path) -> Entry:
    words, _ = PROCESSES[name]
    log = logs / f"airflow-{name}.log"
    begun = datetime.now(UTC).isoformat()
    process = start([sys.executable, "-m", "airflow", *words], log=log, env=env)
    session = os.getsid(process.pid) if process.alive() else 0
    return {
        "pid": process.pid,
        "born": process.born,
        "session": session,
        "started_at": begun,
        "log": str(log),
    }


def _wait(entry: Entry, names: tuple[str, ...]) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    for name in names:
        process = entry["processes"][name]
        while not _healthy(entry, name, _health(entry)):
            log = Path(process["log"])
            if not _process(process).alive():
                if name == "api-server" and not is_free(entry["port"]):
                    raise PortLost(f"port {entry['port']} was taken while Airflow started ({log})")
                raise ServerUnavailable(f"Airflow's {name} ended: {complaint(log)} ({log})")
            if time.monotonic() > deadline:
                raise ServerUnavailable(
                    f"Airflow's {name} is not healthy after {HEALTHY_SECONDS:.0f} s: "
                    f"{complaint(log)} ({log})"
                )
            time.sleep(POLL_SECONDS)


def _health(entry: Entry) -> dict[str, dict[str, str | None]]:
    """Ask Airflow how its parts are; empty when it does not answer."""
    try:
        url = f"{entry['url']}/api/v2/monitor/health"
        answer = httpx.get(url, timeout=ANSWER_SECONDS, trust_env=False)
        health: dict[str, dict[str, str | None]] = answer.json() if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}
    return health


def _healthy(entry: Entry, name: str, health: Mapping[str, Mapping[str, str | None]]) -> bool:
    """Say whether a process runs and, since it was started, has said that it is well."""
    process = entry.get("processes", {}).get(name)
    _, part = PROCESSES[name]
    found = health.get(part)
    if not process or not found or not _process(process).alive():
        return False
    if part == "metadatabase":
        return found["status"] == "healthy" and _process(process).listens(entry["port"])
    beat = found[f"latest_{part}_heartbeat"]
    started = datetime.fromisoformat(process["started_at"])
    return (
        found["status"] == "healthy" and bool(beat) and datetime.fromisoformat(str(beat)) >= started
    )


def _process(entry: Entry) -> Process:
    return Process(int(entry["pid"]), str(entry["born"]))


def _end(processes: Mapping[str, Entry]) -> None:
    found = [one for entry in processes.values() for one in session(entry)]
    for act in (_terminate, _kill):
        for one in found:
            act(one)
        _, found = psutil.wait_procs(found, timeout=STOP_SECONDS)


def _terminate(process: psutil.Process) -> None:
    _quietly(process.terminate)


def _kill(process: psutil.Process) -> None:
    _quietly(process.kill)


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.NoSuchProcess:
        return


def session(entry: Entry) -> list[psutil.Process]:
    """Return the processes of a recorded session; none when its number has passed to a stranger."""
    number = int(entry["session"])
    if not number or psutil.pid_exists(number):
        return []
    return [one for one in psutil.process_iter() if _session_of(one.pid) == number]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def main() -> None:
    """Print what a shell must export for Airflow's own command to find this Airflow."""
    chosen = settings()
    record = Home(chosen.home).read()
    if "airflow" not in record:
        sys.exit("Airflow does not run; start it with: footfall up --airflow")
    env = environment(chosen, _database(record, chosen), record["airflow"]["port"])
    bin_folder = Path(sys.executable).parent
    lines = [f"export PATH={shlex.quote(str(bin_folder))}:$PATH"]
    for name, value in env.items():
        if name.startswith(("AIRFLOW", "FOOTFALL_")):
            lines.append(f"export {name}={shlex.quote(value)}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
