"""The account that Postgres runs as, because it refuses to run as root."""

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from footfall.errors import ServerUnavailable

NAMES = ("postgres", "nobody")
WORLD_MAY_ENTER = 0o001


@dataclass(frozen=True)
class Account:
    """An unprivileged user, and how a command is started as that user.

    Either by `user`, `group` and `extra_groups` (of ``subprocess``), or by the words in `prefix`.
    """

    uid: int
    gid: int
    user: int | None
    group: int | None
    extra_groups: list[int] | None
    prefix: tuple[str, ...] = ()


def unprivileged(paths: Sequence[Path]) -> Account | None:
    """Return the account to start Postgres as: None = as we are, for an ordinary user.

    Under root, a folder on the way to `paths` may be closed to others (``/root``, ``mktemp -d``).
    Then the account keeps the one capability that walks through it, by ``setpriv``, and nothing is
    opened to others.

    Raises:
        ServerUnavailable: there is no such account, or the way is closed and setpriv is missing.
    """
    if os.geteuid() != 0:
        return None
    found = [entry for entry in pwd.getpwall() if entry.pw_name in NAMES and entry.pw_uid != 0]
    if not found:
        raise ServerUnavailable(
            f"Postgres does not run as root, and no account {' or '.join(NAMES)} exists; "
            "run footfall as an ordinary user"
        )
    entry = min(found, key=lambda account: NAMES.index(account.pw_name))
    uid, gid = entry.pw_uid, entry.pw_gid
    closed = [folder for path in paths for folder in path.resolve().parents if not _open(folder)]
    if not closed:
        return Account(uid, gid, uid, gid, [])
    if not (setpriv := shutil.which("setpriv")):
        raise ServerUnavailable(
            f"Postgres does not run as root, and the account {entry.pw_name} may not enter "
            f"{closed[0]}; run footfall as an ordinary user, or from a folder that all may enter"
        )
    words = (setpriv, f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    keep = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return Account(uid, gid, None, None, None, (*words, *keep))


def _open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & WORLD_MAY_ENTER)
