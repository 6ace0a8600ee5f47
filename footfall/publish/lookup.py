"""Look a customer up as a storefront does, by any id that people know."""

from datetime import datetime

from footfall.errors import NotFound, ServerUnavailable
from footfall.settings import settings
from footfall.storefront.client import Storefront
from footfall.storefront.record import Profile
from footfall.warehouse.connection import connect
from footfall.warehouse.customers import resolve

TIMEOUT_SECONDS = 5.0
_MEANING = {
    "unpublished": "nothing is published, or it is expired; run: footfall publish",
    "absent": "the live publication has no record: not scored, not to be profiled, or erased",
    "expired": "the scores are expired; score again: footfall run",
    "unreadable": "the record has a schema that this version cannot read; update Footfall",
}


def lookup(customer: str, *, now: datetime) -> Profile:
    """Return the fresh profile of a customer_id, user id or anonymous id.

    Raises:
        NotFound: nobody has this id, or nothing may be said about them now.
        ServerUnavailable: Postgres or Redis does not answer.
    """
    with connect() as connection:
        customer_id = resolve(connection, customer)
    with Storefront(settings().redis, timeout=TIMEOUT_SECONDS) as storefront:
        profile = storefront.get(customer_id, now=now)
    if profile.why == "unavailable":
        raise ServerUnavailable(
            f"Redis at {storefront.address} does not answer; start it with: footfall up"
        )
    if profile.why is not None:
        raise NotFound(f"customer {customer!r} ({customer_id}): {_MEANING[profile.why]}")
    return profile
