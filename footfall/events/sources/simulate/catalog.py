"""The shop's products: what they are, how popular, and what becomes of them over time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

import numpy as np

from footfall.events.event import Message
from footfall.events.sources.simulate.plan import Plan

CURRENCY = "USD"
ZIPF = 0.75  # a tenth of the products gets almost half of the views
POOL = 8_192
FEWEST, MOST = 300, 20_000
PRICE_CHANGES = 0.004  # share of the products, per day
DISCONTINUED = 0.0004
RESTOCK_BELOW = 5
ON_SALE = 0.35
SALE_PERCENTS = (10, 15, 20, 30, 40)


class _Kind(NamedTuple):
    category: str
    price: float
    spread: float
    brands: tuple[str, ...]
    nouns: tuple[str, ...]


KINDS = (
    _Kind("Electronics/Phones", 240.0, 0.6, ("Orbis", "Nuvia", "Kestrel"), ("Phone", "Handset")),
    _Kind("Electronics/Audio", 65.0, 0.7, ("Sonora", "Kestrel", "Hum"), ("Headphones", "Speaker")),
    _Kind("Electronics/Computers", 390.0, 0.6, ("Tessel", "Orbis"), ("Laptop", "Monitor")),
    _Kind("Home/Kitchen", 40.0, 0.7, ("Halden", "Brae", "Copperline"), ("Pan", "Kettle", "Mixer")),
    _Kind("Home/Furniture", 150.0, 0.6, ("Norrwood", "Halden"), ("Chair", "Lamp", "Shelf")),
    _Kind("Fashion/Shoes", 72.0, 0.5, ("Strider", "Vale", "Koa"), ("Sneaker", "Boot")),
    _Kind("Fashion/Clothing", 34.0, 0.6, ("Vale", "Linden", "Marlow"), ("Shirt", "Coat", "Jeans")),
    _Kind("Beauty/Care", 17.0, 0.6, ("Alma", "Ondine"), ("Cream", "Serum", "Shampoo")),
    _Kind("Sports/Outdoor", 58.0, 0.7, ("Strider", "Cairn"), ("Tent", "Bottle", "Mat")),
    _Kind("Toys/Games", 24.0, 0.6, ("Pipkin", "Tumble"), ("Puzzle", "Game", "Train")),
    _Kind("Books/Fiction", 13.0, 0.3, ("Harrow Press", "Quill"), ("Novel", "Stories")),
    _Kind("Grocery/Pantry", 8.0, 0.5, ("Millstone", "Orchard Row"), ("Coffee", "Tea", "Pasta")),
)


class Product:
    """One product, and the JSON text that events quote of it."""

    __slots__ = (
        "cents",
        "kind",
        "percent_off",
        "product_id",
        "stock",
        "text",
        "title",
        "touched",
        "version",
    )

    def __init__(self, number: int, kind: int, cents: int, stock: int, dice: Random) -> None:
        row = KINDS[kind]
        brand = row.brands[int(dice.random() * len(row.brands))]
        noun = row.nouns[int(dice.random() * len(row.nouns))]
        self.product_id = f"p{number}"
        self.kind, self.cents, self.stock = kind, cents, stock
        self.version, self.percent_off, self.touched = 1, 0, False
        self.title = (
            f'"name":"{brand} {noun} {number}","category":"{row.category}","brand":"{brand}"'
        )
        self.price(cents)

    def price(self, cents: int) -> None:
        """Set the price."""
        self.cents = max(cents, 50)
        self.text = f'"product_id":"{self.product_id}",{self.title},"price":{money(self.cents)}'

    def fact(self, at: int) -> Message:
        """Return what the catalog says of the product now."""
        moment = datetime.fromtimestamp(at / 1000, UTC)
        value = (
            f'{{{self.text},"version":{self.version},"currency":"{CURRENCY}","stock":{self.stock},'
            f'"updated_at":"{moment.isoformat(timespec="milliseconds")}"}}'
        )
        return Message(self.product_id.encode(), value.encode(), moment, catalog=True)

    def tombstone(self, at: int) -> Message:
        """Return the fact that the product is no more."""
        moment = datetime.fromtimestamp(at / 1000, UTC)
        return Message(self.product_id.encode(), None, moment, catalog=True)


class Catalog:
    """The products on sale, slot by slot; a slot whose product ends gets a new one."""

    def __init__(self, plan: Plan) -> None:
        self._dice = plan.dice("catalog")
        numbers = plan.numbers("catalog")
        size = min(max(FEWEST, plan.customers // 2), MOST)
        kinds = np.arange(size) % len(KINDS)
        numbers.shuffle(kinds)
        self._next = 1
        self.products = [self._new(kind) for kind in kinds.tolist()]
        weights = 1.0 / np.arange(1, size + 1) ** ZIPF
        # drawing from a pool is drawing by popularity, at the price of one index
        self.pools: list[list[int]] = []
        for kind in range(len(KINDS)):
            slots = np.flatnonzero(kinds == kind)
            shares = weights[slots] / weights[slots].sum()
            self.pools.append(numbers.choice(slots, POOL, p=shares).tolist())
        self.everything: list[int] = numbers.choice(
            size, POOL * 4, p=weights / weights.sum()
        ).tolist()

    def initial(self, at: int) -> Iterator[tuple[int, Message]]:
        """Yield the first fact of each product."""
        for product in self.products:
            yield at, product.fact(at)

    def drawn(self, pool: list[int], chance: float) -> Product:
        """Return a pool's product for a random number in [0, 1)."""
        return self.products[pool[int(chance * len(pool))]]

    def sold(self, product: Product, quantity: int) -> None:
        """Take so many from the stock; the catalog tells it with the next day's facts."""
        product.stock = max(product.stock - quantity, 0)
        product.touched = True

    def new_day(self, at: int, sale_begins: bool, sale_ends: bool) -> Iterator[tuple[int, Message]]:
        """Yield when and what changed by a midnight, a millisecond apart."""
        random = self._dice.random
        for slot, product in enumerate(self.products):
            chance = random()
            if chance < DISCONTINUED:
                at += 1
                yield at, product.tombstone(at)
                product = self.products[slot] = self._new(product.kind)
                product.touched = True
                product.version = 0
            elif chance < DISCONTINUED + PRICE_CHANGES:
                product.price(int(product.cents * (0.85 + 0.32 * random())))
                product.touched = True
            if sale_ends:
                product.percent_off = 0
            elif sale_begins and random() < ON_SALE:
                product.percent_off = SALE_PERCENTS[int(random() * len(SALE_PERCENTS))]
            if product.stock < RESTOCK_BELOW and random() < 0.5:
                product.stock += int(40 + 200 * random())
                product.touched = True
            if product.touched:
                at += 1
                product.touched = False
                product.version += 1
                yield at, product.fact(at)

    def _new(self, kind: int) -> Product:
        row, dice = KINDS[kind], self._dice
        cents = int(row.price * dice.lognormvariate(0.0, row.spread) * 10) * 10 - 1
        number, self._next = self._next, self._next + 1
        return Product(number, kind, max(cents, 50), int(20 + 300 * dice.random()), dice)


def money(cents: int) -> str:
    """Write an amount of 0 or more as a JSON number.

    >>> money(1205)
    '12.05'
    """
    return f"{cents // 100}.{cents % 100:02d}"
