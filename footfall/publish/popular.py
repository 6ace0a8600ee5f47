"""What to show to who has no record: the products that most customers with one buy again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from footfall.storefront.record import Fallback

MOST_PRODUCTS = 10
FEWEST_CUSTOMERS = 5
"""What fewer customers buy again would tell of them."""


class Popular:
    """Customers by product, of all and of each segment; added up record by record."""

    def __init__(self) -> None:
        self._counts: defaultdict[str | None, Counter[str]] = defaultdict(Counter)

    def add(self, segment: str | None, products: Iterable[str]) -> None:
        """Count one customer's products in."""
        self._counts[segment].update(set(products))

    def fallbacks(
        self, version: int, expires_at: datetime
    ) -> Iterator[tuple[str | None, Fallback]]:
        """Yield each segment's fallback, and that of all as None; of equals the lesser id first."""
        groups = [(group, counts) for group, counts in self._counts.items() if group is not None]
        total = Counter[str]()
        for counts in self._counts.values():
            total.update(counts)
        for group, counts in [(None, total), *groups]:
            enough = [(-count, name) for name, count in counts.items() if count >= FEWEST_CUSTOMERS]
            products = tuple(name for _, name in sorted(enough)[:MOST_PRODUCTS])
            if products:
                yield (
                    group,
                    Fallback(products=products, version=str(version), expires_at=expires_at),
                )
