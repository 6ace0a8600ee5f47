"""The registry of segments: every version of every rule, and which of them counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from footfall.errors import NotFound
from footfall.warehouse.segment_rules import Rule

LOCK = "hashtextextended('footfall.segment_rules', 0)"  # until the transaction ends
_COLUMNS = (
    "name, version, sha256, definition, owner, description, registered_at, is_in_file, is_active,"
    " evaluated_by"
)


@dataclass(frozen=True)
class Version:
    """One version of a rule.

    Attributes:
        name: the segment.
        version: counts from 1.
        sha256: of the definition.
        definition: what the SQL is compiled from.
        owner: who answers for it.
        description: what it means.
        registered_at: when a build first saw it.
        is_in_file: the file says so now.
        is_active: it counts as the segment.
        evaluated_by: the build that first evaluated it for everybody; None: none has finished yet.
    """

    name: str
    version: int
    sha256: str
    definition: dict[str, Any]
    owner: str
    description: str
    registered_at: datetime
    is_in_file: bool
    is_active: bool
    evaluated_by: int | None

    def as_variable(self) -> dict[str, Any]:
        """Return what dbt has to know."""
        return {
            "name": self.name,
            "version": self.version,
            "is_new": self.evaluated_by is None,
            **self.definition,
        }


def register(connection: Connection[TupleRow], rules: Iterable[Rule]) -> None:
    """Bring the registry up to the files: an edited rule is a new version.

    It becomes active when a build has evaluated it for everybody; until then the one before stays.
    What a file said before and says again is the version that it was. An active version that
    somebody rolled back to stays until the file changes. A rule without a file is active no more.
    """
    lock(connection)
    known = versions(connection)
    rules = list(rules)
    for rule in rules:
        mine = [version for version in known if version.name == rule.name]
        same = next((version for version in mine if version.sha256 == rule.sha256), None)
        if same is None:
            _put_in_file(connection, rule.name, None)
            _add(connection, rule, version=max((one.version for one in mine), default=0) + 1)
            continue
        if not same.is_in_file:
            _put_in_file(connection, rule.name, same.version)
            if same.evaluated_by is not None:
                activate(connection, rule.name, same.version)
        _reword(connection, rule)
    connection.execute(
        "update ops.segment_rules set is_in_file = false, is_active = false"
        " where name <> all(%s) and (is_in_file or is_active)",
        ([rule.name for rule in rules],),
    )


def lock(connection: Connection[TupleRow]) -> None:
    """Wait for whoever changes the registry, and keep others out until this transaction ends."""
    connection.execute(f"select pg_advisory_xact_lock({LOCK})")


def versions(connection: Connection[TupleRow], name: str | None = None) -> list[Version]:
    """Return all versions, of all rules or of one, by name and version."""
    with connection.cursor(row_factory=class_row(Version)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from ops.segment_rules"
            " where %(name)s::text is null or name = %(name)s order by name, version",
            {"name": name},
        ).fetchall()


def version_of(connection: Connection[TupleRow], name: str, version: int | None = None) -> Version:
    """Return a version of a rule; without a number the active one, else the newest.

    Raises:
        NotFound: there is none; names those that there are.
    """
    found = versions(connection, name)
    if not found:
        names = sorted({one.name for one in versions(connection)})
        known = f"known are {', '.join(names)}" if names else "run: footfall build"
        raise NotFound(f"no segment is called {name!r}; {known}")
    if version is None:
        return next((one for one in found if one.is_active), found[-1])
    for one in found:
        if one.version == version:
            return one
    numbers = ", ".join(str(one.version) for one in found)
    raise NotFound(f"segment {name} has no version {version}; there is {numbers}")


def activate(connection: Connection[TupleRow], name: str, version: int) -> None:
    """Have this version count as the segment."""
    lock(connection)
    connection.execute(
        "update ops.segment_rules set is_active = false where name = %s and is_active", (name,)
    )
    connection.execute(
        "update ops.segment_rules set is_active = true where name = %s and version = %s",
        (name, version),
    )


def evaluated(connection: Connection[TupleRow], build_id: int) -> None:
    """Note that a build has evaluated every version for everybody: new ones become active."""
    new = connection.execute(
        "update ops.segment_rules set evaluated_by = %s where evaluated_by is null"
        " returning name, version, is_in_file",
        (build_id,),
    ).fetchall()
    for name, version, is_in_file in new:
        if is_in_file:
            activate(connection, name, version)


def member_counts(connection: Connection[TupleRow]) -> dict[tuple[str, str, int], int]:
    """Return how many are in it now, by kind, segment and version; nothing before a build."""
    row = connection.execute("select to_regclass('analytics.customer_segments')").fetchone()
    if row is None or row[0] is None:
        return {}
    return {
        (kind, segment, version): count
        for kind, segment, version, count in connection.execute(
            "select kind, segment, rule_version, count(*) from analytics.customer_segments"
            " group by kind, segment, rule_version"
        )
    }


def _add(connection: Connection[TupleRow], rule: Rule, *, version: int) -> None:
    connection.execute(
        "insert into ops.segment_rules"
        " (name, version, sha256, definition, owner, description, is_in_file, is_active)"
        " values (%s, %s, %s, %s, %s, %s, true, false)",
        (
            *(rule.name, version, rule.sha256, Jsonb(dict(rule.definition))),
            *(rule.owner, rule.description),
        ),
    )


def _put_in_file(connection: Connection[TupleRow], name: str, version: int | None) -> None:
    connection.execute(
        "update ops.segment_rules set is_in_file = false where name = %s and is_in_file", (name,)
    )
    connection.execute(
        "update ops.segment_rules set is_in_file = true where name = %s and version = %s",
        (name, version),
    )


def _reword(connection: Connection[TupleRow], rule: Rule) -> None:
    connection.execute(
        "update ops.segment_rules set owner = %(owner)s, description = %(description)s"
        " where name = %(name)s and sha256 = %(sha256)s"
        " and (owner, description) <> (%(owner)s, %(description)s)",
        {
            "owner": rule.owner,
            "description": rule.description,
            "name": rule.name,
            "sha256": rule.sha256,
        },
    )
