"""Run dbt in this process, on the database ``footfall``, quietly."""

import gc
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
    project: Any = None,
) -> DbtRun:
    """Run one dbt command, such as ``["build", "--select", "tag:snapshot"]``.

    Args:
        arguments: the command and its options.
        variables: dbt's ``--vars``.
        caller: concurrent callers need different ones: each has its own target and log folder.
        project: what ``read_project`` gave this caller; None to read it here.

    Raises:
        BuildFailed: a node failed, or dbt itself; names nodes, first message and log.
    """
    outcome = invoke_dbt(arguments, variables, caller=caller, project=project)
    if not outcome.success:
        raise failure(outcome, caller)
    kinds = [_kind(result) for result in getattr(outcome.result, "results", [])]
    return DbtRun(
        models=kinds.count("model") + kinds.count("seed"),
        tests=kinds.count("test") + kinds.count("unit_test"),
        target=_folder(caller) / "target",
    )


def read_project(caller: str = "build") -> Any:
    """Return dbt's manifest of the project.

    It is read without variables: with them dbt would read all of it anew each time.

    Raises:
        BuildFailed: dbt cannot read it.
    """
    with _environment(settings().postgres):
        outcome = _invoke(["parse", "--no-write-json", *_options(caller)])
    if not outcome.success:
        raise failure(outcome, caller)
    return outcome.result


def invoke_dbt(
    arguments: Sequence[str],
    variables: Mapping[str, object] | None = None,
    *,
    caller: str,
    project: Any = None,
) -> Any:
    """Run one dbt command as ``run_dbt`` does; return its outcome, whether it succeeded or not."""
    if arguments[0] == "parse":
        command, manifest = [*arguments, *_options(caller)], None
    else:
        manifest = project or read_project(caller)
        command = [*arguments, *_options(caller), "--vars", json.dumps(dict(variables or {}))]
        command += ["--no-write-json"] if arguments[0] == "build" else []
    with _environment(settings().postgres):
        return _invoke(command, manifest)


def _folder(caller: str) -> Path:
    return settings().home / "dbt" / caller


def _options(caller: str) -> list[str]:
    folder = _folder(caller)
    return [
        *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
        *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
        *("--log-level", "none", "--log-level-file", "info", "--no-print"),
        *("--no-use-colors", "--no-use-colors-file"),
    ]


def _invoke(command: list[str], manifest: Any = None) -> Any:
    from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS as FLAGS
    from dbt.cli.main import dbtRunner

    flags, collects = list(FLAGS), gc.isenabled()
    gc.disable()  # dbt keeps most of what it makes: to look for garbage is a tenth of its time
    try:
        return dbtRunner(manifest=manifest).invoke(command)
    finally:
        if collects:
            gc.enable()
        FLAGS[:] = flags  # each invocation adds the adapter's own, and looks each up in the stack
        # dbt leaves its log file open.
        log = logging.getLogger("file_log")
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()


def failure(outcome: Any, caller: str) -> BuildFailed:
    """Return the error of a command that did not succeed: its nodes, first message and log."""
    log = _folder(caller) / "logs" / "dbt.log"
    return BuildFailed(_why(outcome.exception, list(getattr(outcome.result, "results", [])), log))


def _why(exception: BaseException | None, results: Sequence[Any], log: Path) -> str:
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
        "FOOTFALL_DBT_QUIET_WARN_MINUTES": settings().quiet_warn_minutes,
        "FOOTFALL_DBT_QUIET_ERROR_MINUTES": settings().quiet_error_minutes,
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
