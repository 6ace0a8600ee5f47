"""Delete somebody's rows from every table that dbt built, by how the tables' columns are called."""

from collections.abc import Collection, Mapping

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from footfall.warehouse.connection import texts

BUILT_SCHEMAS = ("analytics", "intermediate")  # what dbt builds

# Whose a row is, by the first of these columns that its table has.
OWNERS = ("customer_id", "ref", "session_id", "message_id", "order_id", "user_id")

ADMITTED = ("intermediate", "int_events_admitted")
OF_BOTS = ("intermediate", "int_bot_events")

# Also of months that were dropped. An event without a user's id is its device's, whosever the
# tables say it is.
_ADMITTED_MESSAGES = """
select message_id from intermediate.int_events_admitted where ref = any(%(refs)s)
union
select message_id
from intermediate.int_events_admitted
where
    user_id is null
    and anonymous_id in (
        select substr(ref, 3) from unnest(%(refs)s::text[]) as ref where ref like 'a:%%'
    )
"""

_BOT_MESSAGES = "select message_id from intermediate.int_bot_events where ref = any(%(refs)s)"

_ADMITTED_ORDERS = """
select order_id
from intermediate.int_events_admitted
where message_id = any(%(messages)s) and event_name = 'purchase' and order_id is not null
"""

# Who loses events, and the devices that somebody else signed in on, too.
_REOPEN = """
insert into ops.reopened_refs (ref)
select ref
from intermediate.int_events_admitted
where message_id = any(%(messages)s) and ref <> all(%(refs)s)
union
select 'a:' || anonymous_id
from intermediate.int_events_admitted
where
    ref <> all(%(refs)s) and user_id is not null
    and anonymous_id in (
        select substr(ref, 3) from unnest(%(refs)s::text[]) as ref where ref like 'a:%%'
    )
on conflict (ref) do nothing
"""


def delete_built(
    connection: Connection[TupleRow], refs: Collection[str], customer_ids: Collection[str]
) -> dict[str, int]:
    """Delete the customers' rows from every table that dbt built, and the keys of their messages.

    Others who lose events that they had on a shared device are made anew by the next build. Call it
    before the stored events are deleted: they tell which messages and orders are theirs.

    Returns:
        How many rows of each table, by ``schema.table``; tables without any left out.
    """
    columns = _columns(connection)
    messages = _messages(connection, refs)
    orders = _owned(connection, columns, "fct_orders", "order_id", customer_ids)
    if ADMITTED in columns:
        messages |= texts(connection, _ADMITTED_MESSAGES, {"refs": sorted(refs)})
        orders |= texts(connection, _ADMITTED_ORDERS, {"messages": sorted(messages)})
        connection.execute(_REOPEN, {"refs": sorted(refs), "messages": sorted(messages)})
    if OF_BOTS in columns:
        messages |= texts(connection, _BOT_MESSAGES, {"refs": sorted(refs)})
    connection.execute(
        "delete from raw.message_keys where key in"
        " (select raw.message_key(id) from unnest(%s::text[]) as id)",
        (sorted(messages),),
    )
    owned = {
        "customer_id": set(customer_ids),
        "ref": set(refs),
        "message_id": messages,
        "session_id": _owned(connection, columns, "fct_sessions", "session_id", customer_ids),
        "order_id": orders,
        "user_id": {ref[2:] for ref in refs if ref.startswith("u:")},
    }
    counts = {}
    for (schema, table), kinds in columns.items():
        _leave_lists(connection, schema, table, kinds, refs)
        if condition := _condition(kinds, owned):
            statement = sql.SQL("delete from {} where {}").format(
                sql.Identifier(schema, table), condition
            )
            counts[f"{schema}.{table}"] = connection.execute(statement).rowcount
    return {name: count for name, count in counts.items() if count}


def _columns(connection: Connection[TupleRow]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the columns of all built tables, and their types."""
    tables: dict[tuple[str, str], dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "select table_schema, table_name, column_name, columns.udt_name"
        " from information_schema.columns join information_schema.tables"
        " using (table_schema, table_name)"
        " where table_schema = any(%s) and table_type = 'BASE TABLE'"
        " order by table_schema, table_name, ordinal_position",
        (list(BUILT_SCHEMAS),),
    ):
        tables.setdefault((schema, table), {})[column] = kind
    return tables


def _condition(
    kinds: Mapping[str, str], owned: Mapping[str, Collection[str]]
) -> sql.Composable | None:
    """Say which rows are the customers': by the columns that tell most surely, and by message.

    A row of somebody else's may be about an event that is gone. Of what has no message, the order
    tells; one that others sent, too, is made anew.
    """
    told = next((owner for owner in OWNERS if _naming(kinds, owner)), None)
    told_besides = "message_id" if _naming(kinds, "message_id") else "order_id"
    tests = [
        sql.SQL("{} = any({})").format(sql.Identifier(name), sql.Literal(sorted(owned[owner])))
        for owner in dict.fromkeys((told, told_besides))
        if owner is not None
        for name in _naming(kinds, owner)
    ]
    return sql.SQL(" or ").join(tests) if tests else None


def _naming(kinds: Mapping[str, str], owner: str) -> list[str]:
    """Return a table's columns of this kind of owner."""
    return [
        name
        for name, kind in kinds.items()
        if kind == "text"
        and (name == owner or (owner in ("ref", "customer_id") and name.endswith(f"_{owner}")))
    ]


def _leave_lists(
    connection: Connection[TupleRow],
    schema: str,
    table: str,
    kinds: Mapping[str, str],
    refs: Collection[str],
) -> None:
    """Take the refs out of lists of refs in other customers' rows."""
    for column in [name for name, kind in kinds.items() if kind == "jsonb" and "refs" in name]:
        connection.execute(
            sql.SQL(
                "update {table} set {column} = {column} - {refs} where {column} ?| {refs}"
            ).format(
                table=sql.Identifier(schema, table),
                column=sql.Identifier(column),
                refs=sql.Literal(sorted(refs)),
            )
        )
    for column in [name for name, kind in kinds.items() if kind == "_text" and "refs" in name]:
        connection.execute(
            sql.SQL(
                "update {table} set {column} = array("
                "  select ref from unnest({column}) as ref where ref <> all({refs}))"
                " where {column} && {refs}"
            ).format(
                table=sql.Identifier(schema, table),
                column=sql.Identifier(column),
                refs=sql.Literal(sorted(refs)),
            )
        )


def _messages(connection: Connection[TupleRow], refs: Collection[str]) -> set[str]:
    return texts(
        connection,
        "select message_id from raw.events where customer_ref = any(%s)",
        (sorted(refs),),
    )


def _owned(
    connection: Connection[TupleRow],
    columns: Mapping[tuple[str, str], object],
    table: str,
    column: str,
    customer_ids: Collection[str],
) -> set[str]:
    if ("analytics", table) not in columns:
        return set()
    statement = sql.SQL("select {} from {} where customer_id = any(%s)").format(
        sql.Identifier(column), sql.Identifier("analytics", table)
    )
    return texts(connection, statement, (sorted(customer_ids),))
