"""The model store, ``ml.models``: artefacts with their hash, and who is champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg import Connection
from psycopg.rows import TupleRow, class_row
from psycopg.types.json import Jsonb

from footfall.errors import NotFound

State = Literal["challenger", "champion", "retired"]

COLUMNS: LiteralString = (
    "model_id, name, trained_at, as_of, sha256, params, metrics, features, state, calibration,"
    " promoted_at, demoted_at"
)
OF_A_CHAMPION = ["promote", "reinstate", "demote"]  # acts of the audit log


@dataclass(frozen=True)
class ModelRow:
    """One trained model, without its artefact and report."""

    model_id: str
    name: str
    trained_at: datetime
    as_of: datetime
    sha256: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    features: Sequence[str]
    state: State
    calibration: Mapping[str, float]
    promoted_at: datetime | None
    demoted_at: datetime | None = None


@dataclass(frozen=True)
class Act:
    """What the audit log tells of one model: who did what with it, when, and why."""

    at: datetime
    actor: str
    act: str
    model_id: str
    name: str
    detail: Mapping[str, Any]


def lock_models(connection: Connection[TupleRow]) -> None:
    """Let nobody else store, promote or demote until this transaction ends."""
    connection.execute("lock table ml.models in share row exclusive mode")


def store_model(
    connection: Connection[TupleRow],
    model: ModelRow,
    *,
    artefact: bytes,
    report: str,
    reference: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
) -> ModelRow:
    """Store a model unless the same one is there already; return it as it is stored."""
    connection.execute(
        "insert into ml.models (model_id, name, trained_at, as_of, sha256, params, metrics,"
        " features, state, calibration, artefact, report, card, reference)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (model_id) do nothing",
        (
            model.model_id,
            model.name,
            model.trained_at,
            model.as_of,
            model.sha256,
            Jsonb(dict(model.params)),
            Jsonb(dict(model.metrics)),
            Jsonb(list(model.features)),
            model.state,
            Jsonb(dict(model.calibration)),
            artefact,
            report,
            None if card is None else Jsonb(dict(card)),
            None if reference is None else Jsonb(dict(reference)),
        ),
    )
    return find_model(connection, model.model_id)


def find_model(connection: Connection[TupleRow], model_id: str) -> ModelRow:
    """Return one model.

    Raises:
        NotFound: no model has this id.
    """
    with connection.cursor(row_factory=class_row(ModelRow)) as cursor:
        row = cursor.execute(
            "select " + COLUMNS + " from ml.models where model_id = %s", (model_id,)
        ).fetchone()
    if row is None:
        raise NotFound(f"there is no model {model_id!r}; list them with: footfall models")
    return row


def all_models(connection: Connection[TupleRow]) -> list[ModelRow]:
    """Return every model, the newest first."""
    with connection.cursor(row_factory=class_row(ModelRow)) as cursor:
        return cursor.execute(
            "select " + COLUMNS + " from ml.models order by trained_at desc, model_id"
        ).fetchall()


def champions(connection: Connection[TupleRow]) -> list[ModelRow]:
    """Return the champions by name: at most one of each."""
    with connection.cursor(row_factory=class_row(ModelRow)) as cursor:
        return cursor.execute(
            "select " + COLUMNS + " from ml.models where state = 'champion' order by name"
        ).fetchall()


def champion(connection: Connection[TupleRow], name: str) -> ModelRow | None:
    """Return the champion of a name, if there is one."""
    return next((row for row in champions(connection) if row.name == name), None)


def former_champions(connection: Connection[TupleRow], name: str) -> list[ModelRow]:
    """Return the retired models of a name that were champion and not demoted, the newest first."""
    with connection.cursor(row_factory=class_row(ModelRow)) as cursor:
        return cursor.execute(
            "select " + COLUMNS + " from ml.models where name = %s and state = 'retired'"
            " and promoted_at is not null and demoted_at is null"
            " order by promoted_at desc, model_id",
            (name,),
        ).fetchall()


def acts(connection: Connection[TupleRow]) -> list[Act]:
    """Return every act that made or ended a champion, the oldest first."""
    with connection.cursor(row_factory=class_row(Act)) as cursor:
        return cursor.execute(
            "select at, actor, act, model_id, name, detail"
            " from privacy.audit_log join ml.models on model_id = subject"
            " where act = any(%s) order by entry_id",
            (OF_A_CHAMPION,),
        ).fetchall()


def artefact(connection: Connection[TupleRow], model_id: str) -> bytes:
    """Return a model's artefact (UBJSON).

    Raises:
        NotFound: no model has this id.
    """
    return bytes(_column(connection, "artefact", model_id))


def report(connection: Connection[TupleRow], model_id: str) -> str:
    """Return a model's audit report (HTML).

    Raises:
        NotFound: no model has this id.
    """
    return str(_column(connection, "report", model_id) or "")


def card(connection: Connection[TupleRow], model_id: str) -> dict[str, Any] | None:
    """Return a model's card; None if it is older than cards.

    Raises:
        NotFound: no model has this id.
    """
    found: dict[str, Any] | None = _column(connection, "card", model_id)
    return found


def reference(connection: Connection[TupleRow], model_id: str) -> Mapping[str, Any] | None:
    """Return what a model learnt from, for ml.drift; None: it was not kept when it was trained.

    Raises:
        NotFound: no model has this id.
    """
    found: Mapping[str, Any] | None = _column(connection, "reference", model_id)
    return found


def crown(connection: Connection[TupleRow], model: ModelRow, *, now: datetime) -> None:
    """Make a model the champion of its name, and retire the one before."""
    connection.execute(
        "update ml.models set state = 'retired' where name = %s and state = 'champion'",
        (model.name,),
    )
    connection.execute(
        "update ml.models set state = 'champion', promoted_at = %s, demoted_at = null"
        " where model_id = %s",
        (now, model.model_id),
    )


def dethrone(connection: Connection[TupleRow], model: ModelRow, *, now: datetime) -> None:
    """Retire a champion for good: it is no successor any more."""
    connection.execute(
        "update ml.models set state = 'retired', demoted_at = %s where model_id = %s",
        (now, model.model_id),
    )


def _column(connection: Connection[TupleRow], column: LiteralString, model_id: str) -> Any:
    row = connection.execute(
        "select " + column + " from ml.models where model_id = %s", (model_id,)
    ).fetchone()
    if row is None:
        raise NotFound(f"there is no model {model_id!r}; list them with: footfall models")
    return row[0]
