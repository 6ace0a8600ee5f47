"""Two users of one device are split where they sign in, also when a sign-in comes late."""

import pytest

from footfall.warehouse.build import build
from tests.warehouse.shop import at, event, midnight, order, rows, store

pytestmark = pytest.mark.usefixtures("shop")


def views_of_users() -> dict[str, int]:
    """Return how many product views the customer of each user has."""
    return dict(
        rows(
            "select ids.external_id, sum(sessions.product_view_count)::integer"
            " from analytics.fct_sessions as sessions"
            " join analytics.customer_identities as ids using (customer_id)"
            " where ids.id_kind = 'user' group by 1"
        )
    )


def view(message: str, hours: float, **who: str) -> dict[str, object]:
    return event(message=message, when=at(hours=hours), **who)


def test_what_happens_on_a_shared_device_is_whose_user_signed_in_last():
    store(
        [
            view("m1", 0, anonymous="tablet"),
            view("m2", 1, anonymous="tablet", user="ann"),
            view("m3", 2, anonymous="tablet"),
            view("m4", 3, anonymous="tablet", user="bob"),
            view("m5", 4, anonymous="tablet"),
            view("m6", 5, anonymous="tablet"),
            view("m7", 6, anonymous="tablet", user="ann"),
            view("m8", 7, anonymous="tablet"),
        ]
    )
    build()
    assert views_of_users() == {"ann": 5, "bob": 3}
    turns = rows(
        "select distinct from_at, until_at from analytics.customer_identity_history"
        " where external_id = 'tablet' and from_at > '-infinity' and until_at < 'infinity'"
        " order by 1"
    )
    assert turns == [(at(hours=1), at(hours=3)), (at(hours=3), at(hours=6))]


def test_a_late_sign_in_moves_what_followed_it_orders_and_consent_included():
    store(
        [
            view("m1", 0, anonymous="tablet", user="ann"),
            order("m2", "o1", anonymous="tablet", when=at(hours=2)),
            event(message="m3", anonymous="tablet", when=at(hours=3), consent=False),
        ]
    )
    build(midnight(3, 9))
    assert owner_of("o1") == "u:ann"
    assert rows("select is_profilable from analytics.dim_customers") == [(False,)]
    store([view("m4", 1, anonymous="tablet", user="bob")])
    build(midnight(3, 9))
    assert owner_of("o1") == "u:bob"
    assert views_of_users() == {"ann": 1, "bob": 2}
    decided = rows(
        "select ids.ref, customers.is_profilable from analytics.dim_customers as customers"
        " join analytics.customer_identities as ids using (customer_id)"
        " where ids.id_kind = 'user' order by 1"
    )
    assert decided == [("u:ann", True), ("u:bob", False)]


def owner_of(order_id: str) -> str:
    ((ref,),) = rows(
        "select ids.ref from analytics.fct_orders as orders"
        " join analytics.customer_identities as ids using (customer_id)"
        " where orders.order_id = %s and ids.id_kind = 'user'",
        order_id,
    )
    return str(ref)
