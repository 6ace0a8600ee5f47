"""Say in words why a customer got this score.

Contributions of features that tell of the same thing are added up (SHAP values are additive), and
the strongest themes are put into words from the customer's own values.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from ml.features import BY_NAME
from ml.labels import Label

MOST = 3
SMALLEST = 0.01  # log-odds: less than a quarter of a percentage point at even odds

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Reason:
    """One theme's part in a score.

    Attributes:
        theme: recency, rhythm, frequency, …
        feature: the theme's strongest feature.
        contribution: the theme's sum of SHAP values, in log-odds; positive raises the probability.
        effect: what that means for this label, in words.
        text: the customer's own values, in words.
    """

    theme: str
    feature: str
    contribution: float
    effect: str
    text: str

    def as_dict(self) -> dict[str, str | float]:
        """Return the reason as it is stored."""
        return asdict(self)


def reasons(
    label: Label, contributions: Mapping[str, float], values: Values, *, most: int = MOST
) -> list[Reason]:
    """Return the strongest themes, strongest first.

    Args:
        label: what was predicted.
        contributions: SHAP value by feature, in log-odds.
        values: feature value by feature; None or NaN = missing.
        most: at most so many.
    """
    known = {name: value for name, value in values.items() if value is not None and value == value}
    sums: dict[str, float] = {}
    strongest: dict[str, str] = {}
    for name, part in contributions.items():
        theme = BY_NAME[name].theme
        sums[theme] = sums.get(theme, 0.0) + part
        if abs(part) > abs(contributions.get(strongest.get(theme, ""), 0.0)):
            strongest[theme] = name
    ranked = sorted(strongest, key=lambda theme: (-abs(sums[theme]), theme))
    return [
        Reason(
            theme=theme,
            feature=strongest[theme],
            contribution=round(sums[theme], 4),
            effect=label.more if sums[theme] > 0 else label.less,
            text=PHRASES[theme](known),
        )
        for theme in ranked[:most]
        if abs(sums[theme]) >= SMALLEST
    ]


def _recency(values: Mapping[str, float]) -> str:
    since = values.get("days_since_last_order")
    if since is None:
        return "has never ordered"
    usual = values.get("mean_gap_days")
    rest = f", usually every {_days(usual)}" if usual is not None else ", the only order day so far"
    return f"last order {_ago(since)}{rest}"


def _rhythm(values: Mapping[str, float]) -> str:
    mean = values.get("mean_gap_days")
    if mean is None:
        return "has no rhythm of orders yet"
    longest = values.get("max_gap_days", mean)
    return f"orders every {_days(mean)} on average, longest pause {_days(longest)}"


def _frequency(values: Mapping[str, float]) -> str:
    month, quarter = values.get("order_count_30d", 0.0), values.get("order_count_90d", 0.0)
    weeks = values.get("order_week_count_90d", 0.0)
    return f"{_count(month, 'order')} in 30 days, {quarter:.0f} in 90, in {weeks:.0f} of 13 weeks"


def _spend(values: Mapping[str, float]) -> str:
    month, quarter = values.get("net_revenue_30d", 0.0), values.get("net_revenue_90d", 0.0)
    return f"spent {month:.2f} in 30 days, {quarter:.2f} in 90"


def _discount(values: Mapping[str, float]) -> str:
    coupons = _count(values.get("coupon_count_90d", 0.0), "coupon")
    share = values.get("discount_share_90d")
    return f"{coupons} in 90 days" + (f", {share:.0%} discount" if share is not None else "")


def _basket(values: Mapping[str, float]) -> str:
    products = values.get("mean_products_per_order_90d")
    if products is None:
        return "no basket in 90 days"
    categories = values.get("mean_categories_per_order_90d", 0.0)
    return f"baskets of {products:.1f} products from {categories:.1f} categories"


def _trend(values: Mapping[str, float]) -> str:
    pace = values.get("order_count_trend")
    if pace is None:
        return "no order in 90 days"
    if not pace:
        return "no order in 30 days, after orders in the 60 before"
    return f"orders of the last 30 days at {pace:.0%} of the pace of 90"


def _timing(values: Mapping[str, float]) -> str:
    share = values.get("weekend_order_share_90d")
    return "no order in 90 days" if share is None else f"{share:.0%} of orders on a weekend"


def _browsing(values: Mapping[str, float]) -> str:
    since = values.get("days_since_last_browse")
    if since is None:
        return "no visit without an order on record"
    seen = _count(values.get("product_view_count_30d", 0.0), "product page")
    return f"last visit {_ago(since)}, {seen} seen in 30 days"


def _cart(values: Mapping[str, float]) -> str:
    waiting = values.get("cart_adds_since_last_order", 0.0)
    if waiting:
        return f"{_count(waiting, 'product')} put in the cart since the last order"
    return f"{_count(values.get('cart_add_count_30d', 0.0), 'product')} put in the cart in 30 days"


def _tenure(values: Mapping[str, float]) -> str:
    orders = _count(values.get("lifetime_order_count", 0.0), "order")
    return f"first seen {_ago(values.get('days_since_first_seen', 0.0))}, {orders} since"


def _session(values: Mapping[str, float]) -> str:
    visits = values.get("session_count_90d", 0.0)
    if not visits:
        return "no visit in 90 days"
    buying = values.get("order_session_share_90d", 0.0)
    return f"{_count(visits, 'visit')} in 90 days, {buying:.0%} of them with an order"


def _device(values: Mapping[str, float]) -> str:
    devices = _count(values.get("device_count", 0.0), "device")
    share = values.get("mobile_share_90d")
    return devices + (f", {share:.0%} on a phone or tablet" if share is not None else "")


def _interest(values: Mapping[str, float]) -> str:
    bought, seen = (
        _count(values.get(f"{verb}_category_count_90d", 0.0), "category", "categories")
        for verb in ("ordered", "viewed")
    )
    return f"ordered from {bought}, looked at {seen} in 90 days"


def _promotion(values: Mapping[str, float]) -> str:
    seen = _count(values.get("promo_view_count_90d", 0.0), "promotion")
    clicked = values.get("promo_click_count_90d", 0.0)
    opened = _count(values.get("email_open_count_90d", 0.0), "email")
    return f"{seen} seen and {clicked:.0f} clicked in 90 days, {opened} opened"


def _ago(days: float) -> str:
    return "less than a day ago" if days < 1 else f"{_count(int(days), 'day')} ago"


def _days(days: float) -> str:
    return "day" if round(days) <= 1 else f"{round(days)} days"


def _count(number: float, thing: str, things: str = "") -> str:
    return f"{number:.0f} {thing if round(number) == 1 else things or f'{thing}s'}"


PHRASES: dict[str, Callable[[Mapping[str, float]], str]] = {
    "recency": _recency,
    "rhythm": _rhythm,
    "frequency": _frequency,
    "spend": _spend,
    "discount": _discount,
    "basket": _basket,
    "trend": _trend,
    "timing": _timing,
    "browsing": _browsing,
    "cart": _cart,
    "tenure": _tenure,
    "session": _session,
    "device": _device,
    "interest": _interest,
    "promotion": _promotion,
}
