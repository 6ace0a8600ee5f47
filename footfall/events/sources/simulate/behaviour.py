"""What people and bots do in the shop."""

from math import exp, log

from footfall.events.sources.simulate.catalog import KINDS, Catalog, Product
from footfall.events.sources.simulate.customers import BOT, Customers
from footfall.events.sources.simulate.identities import Identities
from footfall.events.sources.simulate.orders import Cart, Orders, products
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.seasons import DAY_MS
from footfall.events.sources.simulate.visit import SHOP, Visit

LEAVES_AT_ONCE = 0.22
WANTS_BUT_LEAVES = 0.09
LOGS_IN = 0.4
VIEWS, VIEWS_BESIDES = 3.4, 3.0  # on average: of who only looks, and of who buys
MOST_LINES = 30
TASTE = 0.7  # of the products looked at, from a favourite category
VIEW_SECONDS = 50
CRAWL_SECONDS = 1.5


class Behaviour:
    """Drafts the events of visits and emails, in the order in which these begin."""

    def __init__(
        self,
        plan: Plan,
        customers: Customers,
        catalog: Catalog,
        identities: Identities,
        orders: Orders,
    ) -> None:
        self._random = plan.dice("behaviour").random
        self._customers, self._catalog = customers, catalog
        self._identities, self._orders = identities, orders

    def visit(self, at: int, customer: int, is_sale: bool) -> None:
        """Draft one visit of a customer or bot."""
        visit = self._identities.arrive(at, customer)
        if self._customers.segment[customer] == BOT:
            self._crawl(visit)
            return
        self._land(visit, is_sale)
        self._identities.reconsider(visit)
        if self._random() < LEAVES_AT_ONCE:
            return
        if self._random() < LOGS_IN:
            self._identities.log_in(visit)
        self._shop(visit, is_sale)

    def email(self, at: int, customer: int) -> None:
        """Draft an email's opening, and perhaps a click."""
        visit = self._identities.server(at, customer)
        email = f'"email_id":"w{at // DAY_MS}","campaign":{{"name":"week-{at // (7 * DAY_MS)}"}}'
        visit.track("Email Opened", email)
        if self._random() < 0.2:
            visit.wait(20)
            visit.track("Email Link Clicked", f'{email},"link_url":"{SHOP}/new"')

    def _crawl(self, visit: Visit) -> None:
        """Look at many products in quick succession, and do nothing else."""
        catalog = self._catalog
        for _ in range(20 + int(60 * self._random())):
            product = catalog.drawn(catalog.everything, self._random())
            visit.page("Product", f"/p/{product.product_id}")
            visit.track("Product Viewed", product.text)
            visit.wait(CRAWL_SECONDS)

    def _land(self, visit: Visit, is_sale: bool) -> None:
        random, where = self._random, self._random()
        if where < 0.5:
            visit.page("Home", "/")
        elif where < 0.8:
            visit.page("Category", f"/c/{KINDS[int(random() * len(KINDS))].category}")
        else:
            visit.page("Campaign", "/sale" if is_sale else "/new")
        visit.wait(15)
        if random() < (0.3 if is_sale else 0.1):
            promotion = f'"promotion_id":"{"sale" if is_sale else "new"}","position":"home_top"'
            visit.track("Promotion Viewed", promotion)
            if random() < 0.25:
                visit.wait(6)
                visit.track("Promotion Clicked", promotion)

    def _shop(self, visit: Visit, is_sale: bool) -> None:
        random, people, customer = self._random, self._customers, visit.customer
        keen = float(people.buys[customer])
        if is_sale:
            keen *= 0.9 + 0.9 * float(people.discount_sensitivity[customer])
        chance = random()
        # who left at once has bought nothing
        buys = chance < keen / (1 - LEAVES_AT_ONCE)
        if buys or chance > 1 - WANTS_BUT_LEAVES:
            size = float(people.basket[customer]) * 1.6 * random() * exp(1.5 * random() ** 2)
            lines = min(1 + int(size), MOST_LINES)
            views = lines + int(-VIEWS_BESIDES * log(1 - random()))
        else:
            lines, views = 0, 1 + int(-VIEWS * log(1 - random()))
        cart: Cart = {}
        for number in range(views):
            product = self._find(visit)
            if random() < 0.3:
                visit.page("Product", f"/p/{product.product_id}")
            visit.track("Product Viewed", product.text)
            visit.wait(VIEW_SECONDS)
            if number >= views - lines:
                self._add(visit, cart, product)
            elif random() < 0.03:
                visit.track("Product Added to Wishlist", product.text)
        if cart:
            self._go_to_cart(visit, cart, buys, is_sale)

    def _find(self, visit: Visit) -> Product:
        """Choose a product by taste, popularity and price; draft the way to it."""
        random, people, catalog = self._random, self._customers, self._catalog
        customer, way = visit.customer, random()
        if random() < TASTE:
            kind = int(people.favourites[customer, int(random() < 0.3)])
        else:
            kind = int(random() * len(KINDS))
        pool = catalog.pools[kind]
        product = catalog.drawn(pool, random())
        if random() < people.price_sensitivity[customer]:
            other = catalog.drawn(pool, random())
            product = other if other.cents < product.cents else product
        if way < 0.3:
            seen = (product, *(catalog.drawn(pool, random()) for _ in range(3)))
            listed = ",".join(
                f'{{"product_id":"{item.product_id}","position":{place}}}'
                for place, item in enumerate(seen, 1)
            )
            category = KINDS[kind].category
            visit.track("Product List Viewed", f'"category":"{category}","products":[{listed}]')
            visit.wait(20)
            if way < 0.15:
                visit.track("Product Clicked", product.text)
                visit.at += 400
        elif way < 0.42:
            visit.track("Products Searched", f'"query":"{KINDS[kind].nouns[0].lower()}"')
            visit.wait(15)
        return product

    def _add(self, visit: Visit, cart: Cart, product: Product) -> None:
        if product.stock < 1 or product.product_id in cart:
            return
        quantity = min(1 if self._random() < 0.85 else 2, product.stock)
        cart[product.product_id] = product, quantity
        visit.track("Product Added", f'{product.text},"quantity":{quantity}')
        visit.wait(12)

    def _go_to_cart(self, visit: Visit, cart: Cart, buys: bool, is_sale: bool) -> None:
        random = self._random
        if random() < 0.6:
            visit.track("Cart Viewed", f'"products":[{products(cart)}]')
            visit.wait(25)
        if len(cart) > 1 and random() < 0.15:
            product, quantity = cart.popitem()[1]
            visit.track("Product Removed", f'{product.text},"quantity":{quantity}')
            visit.wait(10)
        if buys:
            self._orders.place(visit, cart, is_sale)
        elif random() < 0.3:
            visit.track("Checkout Started", f'"products":[{products(cart)}]')
