"""Carts, orders, and what becomes of orders days later."""

import heapq
from typing import NamedTuple

from footfall.events.sources.simulate.catalog import CURRENCY, Catalog, Product, money
from footfall.events.sources.simulate.customers import Customers
from footfall.events.sources.simulate.identities import Identities
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.seasons import DAY_MS
from footfall.events.sources.simulate.visit import Effect, Visit

REFUNDED, CANCELLED, REVIEWED = 0.05, 0.015, 0.06
COUPON_PERCENT = 10
STEPS = (1, 2)

Cart = dict[str, tuple[Product, int]]  # by product id


class _Later(NamedTuple):
    """Something that will happen to an order; entries sort by time, then order."""

    at: int
    number: int
    name: str
    customer: int
    device: int
    product: str
    cents: int
    paid: int
    line: str


class Orders:
    """Takes orders, and lets the later ones of their events happen when they are due."""

    def __init__(
        self, plan: Plan, customers: Customers, catalog: Catalog, identities: Identities
    ) -> None:
        self._random = plan.dice("orders").random
        self._name = plan.name
        self._customers, self._catalog, self._identities = customers, catalog, identities
        self._agenda: list[_Later] = []
        self._number = 0

    def place(self, visit: Visit, cart: Cart, is_sale: bool) -> None:
        """Draft the way from the cart to the order."""
        self._number += 1
        order = f'"order_id":"{self._order_id(self._number)}"'
        self._identities.log_in(visit)
        visit.track("Checkout Started", f'{order},"products":[{products(cart)}]')
        visit.wait(30)
        for step in STEPS:
            visit.track("Checkout Step Viewed", f'{order},"step":{step}')
            visit.wait(25)
            visit.track("Checkout Step Completed", f'{order},"step":{step}')
            visit.wait(5)
        gross = discount = 0
        lines = []
        for product, quantity in cart.values():
            self._catalog.sold(product, quantity)
            price = product.cents * quantity
            off = price * product.percent_off // 100
            gross, discount = gross + price, discount + off
            saved = f',"discount":{money(off)}' if off else ""
            lines.append(f'{{{product.text},"quantity":{quantity}{saved}}}')
        off, coupon = self._coupon(visit, order, gross - discount, is_sale)
        discount += off
        visit.track("Payment Info Entered", f'{order},"payment_method":"card"')
        visit.wait(20)
        paid = gross - discount
        visit.track(
            "Order Completed",
            f'{order},"revenue":{money(paid)},"total":{money(paid)},"discount":{money(discount)}'
            f'{coupon},"currency":"{CURRENCY}","products":[{",".join(lines)}]',
            Effect(orders=1, gross=gross, discount=discount),
        )
        self._plan(visit, next(iter(cart.values()))[0], paid, lines[0])

    def follow_up(self, until: int) -> None:
        """Draft what falls due before an instant: refunds, cancellations, reviews."""
        while self._agenda and self._agenda[0].at < until:
            later = heapq.heappop(self._agenda)
            visit = self._identities.server(later.at, later.customer, later.device)
            order = f'"order_id":"{self._order_id(later.number)}"'
            if later.name == "Product Reviewed":
                stars = 5 - int(4 * self._random() ** 2)
                visit.track(later.name, f'"product_id":"{later.product}","rating":{stars}')
            elif later.name == "Order Cancelled":
                effect = Effect(refunded=later.paid, cancelled=1)
                visit.track(later.name, f'{order},"products":[{later.line}]', effect)
            else:
                # without an amount a refund is of all that was paid
                amount = f',"total":{money(later.cents)},"currency":"{CURRENCY}"'
                is_plain = later.cents == later.paid and self._random() < 0.5
                said = order if is_plain else order + amount
                visit.track(later.name, said, Effect(refunded=later.cents))

    def _coupon(self, visit: Visit, order: str, due: int, is_sale: bool) -> tuple[int, str]:
        """Return what a coupon takes off, and how the order names it; mostly there is none."""
        eager = float(self._customers.discount_sensitivity[visit.customer])
        if self._random() > 0.3 * eager:
            return 0, ""
        name, off = "SALE10" if is_sale else "HELLO10", due * COUPON_PERCENT // 100
        visit.track("Coupon Applied", f'{order},"coupon_id":"{name}","discount":{money(off)}')
        visit.wait(5)
        return off, f',"coupon":"{name}"'

    def _plan(self, visit: Visit, product: Product, paid: int, line: str) -> None:
        random, fate, cents = self._random, self._random(), paid
        if fate < REFUNDED:
            name, days = "Order Refunded", 2 + 20 * random()
            cents = min(product.cents, paid) if random() < 0.5 else paid
        elif fate < REFUNDED + CANCELLED:
            name, days = "Order Cancelled", 1 + random()
        elif fate < REFUNDED + CANCELLED + REVIEWED:
            name, days = "Product Reviewed", 3 + 20 * random()
        else:
            return
        who, at = (visit.customer, visit.device), visit.at + int(days * DAY_MS)
        later = _Later(at, self._number, name, *who, product.product_id, cents, paid, line)
        heapq.heappush(self._agenda, later)

    def _order_id(self, number: int) -> str:
        return f"{self._name}-o{number}"


def products(cart: Cart) -> str:
    """Return a cart as the inside of a JSON array."""
    return ",".join(f'{{{item.text},"quantity":{quantity}}}' for item, quantity in cart.values())
