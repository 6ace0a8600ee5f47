"""Who a customer is: the ids that people know, and the one that the warehouse uses."""

from psycopg import Connection
from psycopg.errors import UndefinedTable
from psycopg.rows import TupleRow

from footfall.errors import NotFound, NotReady


def resolve(connection: Connection[TupleRow], customer: str) -> str:
    """Return the customer_id of a customer_id, a user id or an anonymous id.

    Where a text is several of these, customer_id wins over user id, and that over anonymous id.

    Raises:
        NotFound: nobody is known by this id.
        NotReady: no customers have been built yet.
    """
    try:
        with connection.transaction():
            found = connection.execute(
                "select customer_id from analytics.customer_identities"
                " where %(customer)s in (customer_id, external_id)"
                " order by customer_id <> %(customer)s, id_kind <> 'user', customer_id limit 1",
                {"customer": customer},
            ).fetchone()
    except UndefinedTable:
        raise NotReady("no customers are known yet; run: footfall build") from None
    if found is None:
        raise NotFound(
            f"no customer {customer!r}: it is no customer_id, user id or anonymous id known here"
        )
    return str(found[0])
