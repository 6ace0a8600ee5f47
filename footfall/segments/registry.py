"""List the segments, show a rule with its SQL, go back to an earlier version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from footfall.errors import NotFound, NotReady
from footfall.warehouse import audit
from footfall.warehouse import segments as store
from footfall.warehouse.connection import transaction
from footfall.warehouse.segment_rules import in_words, read_computed_kinds
from footfall.warehouse.segment_sql import compiled


@dataclass(frozen=True)
class Segment:
    """One segment as it stands.

    Attributes:
        name: the segment.
        kind: rule, rfm or cluster.
        version: the active one; None: the rule has no file any more, or no build evaluated it yet.
        versions: how many there are.
        is_rolled_back: the file says otherwise.
        owner: who answers for it.
        members: how many are in it now.
        description: what it means.
    """

    name: str
    kind: str
    version: int | None
    versions: int
    is_rolled_back: bool
    owner: str
    members: int
    description: str

    def line(self) -> str:
        """Return the segment in one line."""
        version = "not active" if self.version is None else f"version {self.version}"
        of = f" of {self.versions}" if self.kind == "rule" else ""
        back = ", rolled back" if self.is_rolled_back else ""
        return (
            f"{self.name:24} {self.kind:7} {version}{of}{back}, {self.members:,} members,"
            f" {self.owner}: {self.description}"
        )


@dataclass(frozen=True)
class Shown:
    """One version of a rule, with the SQL that it becomes."""

    name: str
    version: int
    is_active: bool
    is_in_file: bool
    owner: str
    description: str
    registered_at: datetime
    sha256: str
    rule: str
    definition: dict[str, Any]
    sql: str

    def text(self) -> str:
        """Return it for a reader: what it says first, the SQL last."""
        states = [
            "active" if self.is_active else "not active",
            "as in its file" if self.is_in_file else "not in its file",
        ]
        definition = yaml.safe_dump(self.definition, sort_keys=False, default_flow_style=None)
        return (
            f"{self.name} version {self.version} ({', '.join(states)})\n"
            f"owner: {self.owner}\n{self.description}\nholds: {self.rule}\n"
            f"sha256: {self.sha256}\n\n{definition}\n{self.sql}"
        )


@dataclass(frozen=True)
class RolledBack:
    """A version that counts again."""

    name: str
    version: int
    before: int | None
    members: int


def listing() -> list[Segment]:
    """Return every segment: rules by name, then the others that have members.

    Raises:
        BadArgument: dbt_project/segment_kinds.yml does not say who answers for the others.
    """
    with transaction() as connection:
        versions = store.versions(connection)
        counts = store.member_counts(connection)
    found = []
    for name in sorted({one.name for one in versions}):
        mine = [one for one in versions if one.name == name]
        active = next((one for one in mine if one.is_active), None)
        shown = active or mine[-1]
        found.append(
            Segment(
                name=name,
                kind="rule",
                version=active.version if active else None,
                versions=len(mine),
                is_rolled_back=bool(
                    active
                    and not active.is_in_file
                    and any(one.is_in_file and one.evaluated_by for one in mine)
                ),
                owner=shown.owner,
                members=counts.get(("rule", name, active.version), 0) if active else 0,
                description=shown.description,
            )
        )
    return found + _computed(counts)


def shown(name: str, version: int | None = None) -> Shown:
    """Return a version of a rule with its SQL; without a number the active one.

    Raises:
        NotFound: there is none.
        BuildFailed: dbt could not compile it.
    """
    with transaction() as connection:
        one = store.version_of(connection, name, version)
    return Shown(
        name=one.name,
        version=one.version,
        is_active=one.is_active,
        is_in_file=one.is_in_file,
        owner=one.owner,
        description=one.description,
        registered_at=one.registered_at,
        sha256=one.sha256,
        rule=in_words(one.definition),
        definition=one.definition,
        sql=compiled([one]),
    )


def rollback(name: str, version: int | None = None, *, now: datetime, actor: str) -> RolledBack:
    """Have a version count again, and write it into the audit log.

    Args:
        name: the segment.
        version: default: the one before the active one.
        now: the wall clock.
        actor: who does it.

    Raises:
        NotFound: there is no such version.
        NotReady: no build has evaluated it yet.
    """
    with transaction() as connection:
        store.lock(connection)
        active = store.version_of(connection, name)
        if version is None:
            earlier = [
                one.version
                for one in store.versions(connection, name)
                if one.version < active.version
            ]
            if not earlier:
                raise NotFound(f"segment {name} has no version before {active.version}")
            version = earlier[-1]
        chosen = store.version_of(connection, name, version)
        if chosen.evaluated_by is None:
            raise NotReady(
                f"no build has evaluated {name} version {version} yet; run: footfall build"
            )
        store.activate(connection, name, version)
        before = active.version if active.is_active else None
        audit.append(
            connection,
            actor=actor,
            act="roll back",
            subject=f"segment {name}",
            detail={"from": before, "to": version, "sha256": chosen.sha256},
            now=now,
        )
        members = store.member_counts(connection).get(("rule", name, version), 0)
    return RolledBack(name, version, before, members)


def _computed(counts: Mapping[tuple[str, str, int], int]) -> list[Segment]:
    """Return the segments that scores and clusters make, of (kind, name, version) and members."""
    kinds = read_computed_kinds()
    return [
        Segment(
            name=name,
            kind=kind,
            version=version,
            versions=1,
            is_rolled_back=False,
            owner=kinds[kind].owner,
            members=members,
            description=kinds[kind].description,
        )
        for (kind, name, version), members in sorted(counts.items())
        if kind != "rule"
    ]
