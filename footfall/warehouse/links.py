"""Find all ids that are one customer's, by every event stored so far, built or not.

A user has the devices that they ever signed in on, also where others do, too; an aliased id belongs
to the first user it was aliased to, the rule of int_identity_links. From a user one does not come
to another over a device that they share. What the tables know of months that were dropped counts.
"""

from collections.abc import Collection

from psycopg import Connection, sql
from psycopg.rows import TupleRow

# What the tables know, where dbt has built them.
_BUILT = {
    "int_device_users": sql.SQL(
        "select anonymous_id, user_id, signed_in_at from intermediate.int_device_users"
    ),
    "int_bot_events": sql.SQL(
        "select anonymous_id, user_id, occurred_at from intermediate.int_bot_events"
        " where user_id is not null and anonymous_id is not null"
    ),
    "int_identity_links": sql.SQL(
        "select child_ref, parent_ref, linked_at from intermediate.int_identity_links"
    ),
}
_NOTHING = sql.SQL("select null::text, null::text, null::timestamptz where false")

_SIGN_INS = sql.SQL("""
sign_ins as (
    select anonymous_id, user_id, occurred_at
    from raw.events
    where user_id is not null and anonymous_id is not null
    union all
    ({int_device_users})
    union all
    ({int_bot_events})
),
claims as (
    select 'a:' || anonymous_id as child, 'u:' || user_id as parent, occurred_at from sign_ins
    union all
    select kind || (coalesce(mapped, payload) ->> 'previousId'), customer_ref, occurred_at
    from raw.events
    cross join (values ('a:'), ('u:')) as kinds (kind)
    where
        event_name = 'alias' and user_id is not null
        and coalesce(mapped, payload) ->> 'previousId' <> user_id
    union all
    ({int_identity_links})
)
""")

_LINKED = sql.SQL("""
with {sign_ins},
owners as (
    select distinct on (child) child, parent
    from claims
    where
        child = any(%(refs)s)
        or child in (select child from claims where parent = any(%(refs)s))
    order by child, occurred_at, parent collate "C"
)
select child from owners where parent = any(%(refs)s)
union
select parent from owners where child = any(%(refs)s) and child like 'u:%%'
union
select 'a:' || anonymous_id from sign_ins where 'u:' || user_id = any(%(refs)s)
""")

# Whose a device is: the last user's who signed in there, else the first one's it was aliased to.
_USERS_OF_DEVICES = sql.SQL("""
with {sign_ins},
last_users as (
    select distinct on (anonymous_id) 'a:' || anonymous_id as device, 'u:' || user_id as owner
    from sign_ins
    where 'a:' || anonymous_id = any(%(refs)s)
    order by anonymous_id, occurred_at desc, user_id collate "C" desc
),
first_claims as (
    select distinct on (child) child as device, parent as owner
    from claims
    where child = any(%(refs)s)
    order by child, occurred_at, parent collate "C"
)
select coalesce(last_users.owner, first_claims.owner)
from first_claims
left join last_users using (device)
""")


def linked(connection: Connection[TupleRow], refs: Collection[str]) -> set[str]:
    """Return the refs and all that are the same customer's.

    A device alone stands for the user who signed in there last.
    """
    found = set(refs)
    if all(ref.startswith("a:") for ref in found):
        found |= _refs(connection, _USERS_OF_DEVICES, found)
    while more := _refs(connection, _LINKED, found) - found:
        found |= more
    return found


def _refs(connection: Connection[TupleRow], query: sql.SQL, refs: Collection[str]) -> set[str]:
    known = {
        table: rows if _is_built(connection, table) else _NOTHING for table, rows in _BUILT.items()
    }
    statement = query.format(sign_ins=_SIGN_INS.format(**known))
    return {str(ref) for (ref,) in connection.execute(statement, {"refs": sorted(refs)})}


def _is_built(connection: Connection[TupleRow], table: str) -> bool:
    row = connection.execute("select to_regclass(%s)", (f"intermediate.{table}",)).fetchone()
    return row is not None and row[0] is not None
