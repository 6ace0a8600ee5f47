"""Run dbt in this process, on the database ``footfall``, quietly."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from footfall.errors import BuildFailed
from footfall.settings import ROOT, settings

PROJECT = ROOT / "dbt_project"
NAMES_IN_A_LINE = 3
# jit costs more than it saves on statements of a second; a build sorts a lot.
SESSION = "-c timezone=UTC -c jit=off -c work_mem=64MB"


@dataclass(frozen=True)
class DbtRun:
    """What one run of dbt did.

    Attributes:
        models: models and seeds built.
        tests: tests passed, unit tests included.
        target: the folder that dbt wrote to.
    """

    models: int
    tests: int
    target: Path


def run_dbt(
    arguments: Sequence[str],
    variables: Mapping[str, object] | None = None,
    *,
    caller: str = "build",
) -> DbtRun:
    """Run one dbt command, such as ``["build", "--select", "tag:snapshot"]``.

    Args:
        arguments: the command and its options.
        variables: dbt's ``--vars``.
        caller: concurrent callers need different ones: each has its own target and log folder.

    Raises:
        BuildFailed: a node failed, or dbt itself; names nodes, first message and log.
    """
    from dbt.contracts.graph.manifest import Manifest

    folder = settings().home / "dbt" / caller
    target, logs = folder / "target", folder / "logs"
    options = [
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(target), "--log-path", str(logs)),
        *("--log-level", "none", "--log-level-file", "info", "--no-print"),
        *("--no-use-colors", "--no-use-colors-file"),
    ]
    with _environment(settings().postgres):
        # Parsed apart, without variables: with them dbt would parse the project anew each time.
        outcome = _invoke(["parse", *options])
        if outcome.success and isinstance(outcome.result, Manifest):
            command = [*arguments, *options, "--vars", json.dumps(dict(variables or {}))]
            command += ["--no-write-json"] if arguments[0] == "build" else []
            outcome = _invoke(command, outcome.result)
    results = list(getattr(outcome.result, "results", []))
    if not outcome.success:
        raise BuildFailed(_failure(outcome.exception, results, logs / "dbt.log"))
    kinds = [_kind(result) for result in results]
    return DbtRun(
        models=kinds.count("model") + kinds.count("seed"),
        tests=kinds.count("test") + kinds.count("unit_test"),
        target=target,
    )


def _invoke(command: list[str], manifest: Any = None) -> Any:
    from dbt.cli.main import dbtRunner

    try:
        return dbtRunner(manifest=manifest).invoke(command)
    finally:
        # dbt leaves its log file open.
        log = logging.getLogger("file_log")
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()


def _failure(exception: BaseException | None, results: Sequence[Any], log: Path) -> str:
    failed = [result for result in results if result.status in ("error", "fail", "runtime error")]
    if not failed:
        reason = " ".join(str(exception).split())
        return f"dbt failed: {reason}; read {log}"
    names = ", ".join(result.node.name for result in failed[:NAMES_IN_A_LINE])
    more = f" and {len(failed) - NAMES_IN_A_LINE} more" if len(failed) > NAMES_IN_A_LINE else ""
    message = " ".join(str(failed[0].message).split())
    if "on_schema_change" in message:
        message = "its columns changed; build it anew with: footfall build --full-refresh"
    return f"dbt failed at {names}{more}: {message}; read {log}"


def _kind(result: Any) -> str:
    return str(getattr(getattr(result, "node", None), "resource_type", ""))


@contextmanager
def _environment(dsn: str) -> Iterator[None]:
    """Say in the environment what dbt_project/profiles.yml reads, and put it back as it was."""
    place = conninfo_to_dict(dsn)
    said = {
        "FOOTFALL_DBT_HOST": place.get("host", "localhost"),
        "FOOTFALL_DBT_PORT": place.get("port", 5432),
        "FOOTFALL_DBT_USER": place.get("user", "footfall"),
        "FOOTFALL_DBT_DATABASE": place.get("dbname", "footfall"),
        "DBT_ENV_SECRET_FOOTFALL_PASSWORD": place.get("password", ""),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PGOPTIONS": SESSION,
        "PGSSLMODE": place.get("sslmode"),
        "PGSSLROOTCERT": place.get("sslrootcert"),
    }
    names = {name: str(value) for name, value in said.items() if value is not None}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
