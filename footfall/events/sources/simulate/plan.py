"""What shop to simulate: everything that decides which bytes come out."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np

from footfall.errors import BadArgument
from footfall.events.sources.simulate.seasons import DAY_MS, busyness

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 366
SEED = 1
CUSTOMERS = 2_000
MALFORMED = 0.01
DUPLICATES = 0.01
LATE = 0.02
MOST_CUSTOMERS = 10_000_000
MOST_SHARE = 0.5
STAYS_DAYS = 400  # a shop's lasting customers, of whom most events are
EVENTS_PER_DAY = 0.8  # of a customer who has come and not left, in a usual season; at least
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Plan:
    """One simulated shop. Two equal plans give the same bytes.

    Seed, customers and period make the shop; the shares only say how its events travel. So many
    records that nobody can read (``malformed``) and so many repeated ones (``duplicates``) are sent
    besides, and so many events arrive minutes to weeks after they occurred (``late``).
    """

    seed: int
    customers: int
    since: datetime
    until: datetime
    malformed: float = MALFORMED
    duplicates: float = DUPLICATES
    late: float = LATE

    @property
    def start(self) -> int:
        """The period's first instant, in milliseconds since 1970."""
        return _millis(self.since)

    @property
    def end(self) -> int:
        """The first instant after the period."""
        return _millis(self.until)

    @property
    def already_there(self) -> float:
        """The share of customers who have come before the period: the longer it is, the fewer."""
        return _already_there(self.since, self.until)

    def numbers(self, purpose: str) -> np.random.Generator:
        """Return this plan's random numbers for one purpose, in bulk."""
        return np.random.default_rng(list(self._digest(purpose)))

    def dice(self, purpose: str) -> Random:
        """Return this plan's random numbers for one purpose, one by one."""
        return Random(self._digest(purpose))

    @property
    def name(self) -> str:
        """A short name of this shop, which its ids begin with: two shops never share an id."""
        return self._digest("name").hex()[:8]

    def _digest(self, purpose: str) -> bytes:
        shop = (purpose, self.seed, self.customers, self.start, self.end)
        return hashlib.sha256(repr(shop).encode()).digest()


def plan(
    *,
    seed: int = SEED,
    customers: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    days: int | None = None,
    limit: int | None = None,
    malformed: float = MALFORMED,
    duplicates: float = DUPLICATES,
    late: float = LATE,
) -> Plan:
    """Return the plan for some options; without any, a shop of 2,000 customers in the year 2024.

    Args:
        seed: 0 or more.
        customers: default: 2,000, or as many as make ``limit`` events in the period.
        since: the period's first instant.
        until: the first instant after the period.
        days: its length, instead of one of the two.
        limit: how many events are wanted.
        malformed: share of records besides that nobody can read.
        duplicates: share of events that are sent twice.
        late: share of events that arrive long after they occurred.

    Raises:
        BadArgument: an option is out of its range, or the period is none.
    """
    first, end = _period(since, until, days)
    if seed < 0:
        raise BadArgument(f"--seed is {seed}; give 0 or more")
    if customers is not None and not 1 <= customers <= MOST_CUSTOMERS:
        raise BadArgument(f"--customers is {customers}; give 1 to {MOST_CUSTOMERS:,}")
    shares = {"--malformed": malformed, "--duplicates": duplicates, "--late": late}
    for name, share in shares.items():
        if not 0 <= share <= MOST_SHARE:
            raise BadArgument(f"{name} is {share}; give a share from 0 to {MOST_SHARE}")
    if customers is None:
        made = EVENTS_PER_DAY * _already_there(first, end) * _busy_days(first, end)
        customers = min(max(CUSTOMERS, int((limit or 0) / made) + 1), MOST_CUSTOMERS)
    return Plan(seed, customers, first, end, malformed, duplicates, late)


def _period(
    since: datetime | None, until: datetime | None, days: int | None
) -> tuple[datetime, datetime]:
    if days is not None and days < 1:
        raise BadArgument(f"--days is {days}; give 1 or more")
    if days is not None and since is not None and until is not None:
        raise BadArgument("--since, --until and --days are given; two of them make a period")
    try:
        length = timedelta(days=days or DAYS)
        if since is None:
            since = (
                FIRST_DAY if until is None or (not days and until > FIRST_DAY) else until - length
            )
        until = until or since + length
    except OverflowError:
        raise BadArgument(f"a period of {days or DAYS} days leaves the calendar") from None
    if not since < until:
        raise BadArgument(
            f"--since {since.isoformat()} is not before --until {until.isoformat()}; "
            "since is inclusive, until exclusive"
        )
    return since, until


def _already_there(since: datetime, until: datetime) -> float:
    stays = timedelta(days=STAYS_DAYS)
    return stays / (stays + (until - since))


def _busy_days(since: datetime, until: datetime) -> float:
    """Return the period's length in days, a busy one counting for more."""
    start, end = _millis(since), _millis(until)
    return sum(
        busyness(day) * (min(day + DAY_MS, end) - max(day, start)) / DAY_MS
        for day in range(start - start % DAY_MS, end, DAY_MS)
    )


def _millis(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
