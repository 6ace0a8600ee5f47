"""How busy a shop is: by weekday, time of year and sale."""

from datetime import UTC, datetime
from math import cos, pi

DAY_MS = 86_400_000
# Saturday and Sunday carry 23 % of visits (UCI Online Shoppers), not two sevenths.
WEEKDAYS = (1.08, 1.08, 1.07, 1.07, 1.07, 0.81, 0.82)
SALE_WEEKS = frozenset({2, 27, 47, 48})  # of the ISO year: January, summer, Black Friday
SALE_VISITS = 1.35
_YEARLY = 0.15
_BUSIEST_DAY = 340


def busyness(at: int) -> float:
    """Return the factor on visits of the day that holds the instant (milliseconds since 1970)."""
    day = _date(at)
    year = 1 + _YEARLY * cos(2 * pi * (day.timetuple().tm_yday - _BUSIEST_DAY) / 365)
    return WEEKDAYS[day.weekday()] * year * (SALE_VISITS if is_sale(at) else 1.0)


def is_sale(at: int) -> bool:
    """Say whether the day that holds the instant lies in a sale week."""
    return _date(at).isocalendar().week in SALE_WEEKS


def weekday(at: int) -> int:
    """Return the day of the week, Monday 0."""
    return (at // DAY_MS + 3) % 7


def _date(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC)
