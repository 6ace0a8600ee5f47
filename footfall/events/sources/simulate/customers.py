"""The shop's customers: what they are like, which nobody tells the shop."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from footfall.events.sources.simulate.catalog import KINDS
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.seasons import DAY_MS

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Small = NDArray[np.uint8]

NEVER = 2**62
FADING_MS = 21 * DAY_MS  # before they leave, customers come less
FADED = 0.5
DEVICE_SHARES = (0.5, 0.38, 0.12)  # have one, two, three
BOT_SHARE = 0.002
BOT_VISITS = 0.15


class Segment(NamedTuple):
    """One sort of customer; rates are of the average one."""

    name: str
    share: float
    visits_per_day: float
    buys: float
    has_account: float
    stays_days: float


SEGMENTS = (
    Segment("loyal", 0.12, 0.36, 0.18, 1.0, 600.0),
    Segment("regular", 0.25, 0.12, 0.12, 0.9, 320.0),
    Segment("occasional", 0.28, 0.04, 0.06, 0.7, 200.0),
    Segment("window shopper", 0.35, 0.02, 0.005, 0.15, 60.0),
)
BOT = len(SEGMENTS)

# How customers answer the consent banner: what every event of theirs says.
SILENT, ALLOWS, REFUSES, ANALYTICS_ONLY = range(4)
ANSWERS = ("says nothing", "allows", "refuses", "analytics only")
ANSWER_SHARES = (0.04, 0.82, 0.10, 0.04)
CHANGES_MIND = 0.06
SHARES_A_DEVICE = 0.03
PEAKS = ((12.5, 0.3), (20.0, 0.5), (8.5, 0.2))


class Customers:
    """Hidden propensities as columns, one row per customer; the last rows are bots."""

    def __init__(self, plan: Plan) -> None:
        rng = plan.numbers("customers")
        people = plan.customers
        bots = int(np.ceil(people * BOT_SHARE))
        size = people + bots
        self.people, self.size = people, size
        column = np.array([tuple(segment)[1:] for segment in SEGMENTS])
        kind = np.searchsorted(np.cumsum(column[:, 0])[:-1], rng.random(size), side="right")
        self.visits: Floats = _wide(rng, column[kind, 1], 0.5)
        self.buys: Floats = np.minimum(_wide(rng, column[kind, 2], 0.35), 0.7)
        self.has_account = rng.random(size) < column[kind, 3]
        stays = rng.exponential(column[kind, 4] * DAY_MS).astype(np.int64)
        arrives = plan.start + (rng.random(size) * (plan.end - plan.start)).astype(np.int64)
        arrives[rng.random(size) < plan.already_there] = plan.start
        self.joins: Ints = arrives
        self.leaves: Ints = arrives + stays
        self.segment: Small = kind.astype(np.uint8)
        self.price_sensitivity: Floats = rng.beta(2, 3, size).astype(np.float32)
        self.discount_sensitivity: Floats = rng.beta(2, 3, size).astype(np.float32)
        self.basket: Floats = rng.lognormal(0.55, 0.35, size).astype(np.float32)
        self.favourites: Small = rng.integers(0, len(KINDS), (size, 2)).astype(np.uint8)
        peak = rng.choice(len(PEAKS), size, p=[share for _, share in PEAKS])
        hours = np.array([hour for hour, _ in PEAKS])[peak] + rng.normal(0, 1.2, size)
        self.hour: Floats = (hours % 24).astype(np.float32)
        self.weekend: Floats = rng.lognormal(0, 0.35, size).astype(np.float32)
        self.devices: Small = rng.choice(
            range(1, len(DEVICE_SHARES) + 1), size, p=DEVICE_SHARES
        ).astype(np.uint8)
        self.answer: Small = rng.choice(4, size, p=ANSWER_SHARES).astype(np.uint8)
        self.changes: Ints = np.where(
            (rng.random(size) < CHANGES_MIND) & (self.answer != SILENT),
            arrives + (rng.random(size) * np.minimum(stays, plan.end - arrives)).astype(np.int64),
            NEVER,
        )
        self.opens_email: Floats = np.where(
            self.has_account & (rng.random(size) < 0.5), rng.beta(2, 4, size), 0.0
        ).astype(np.float32)
        pair = np.arange(size) // 2
        together = rng.random(size // 2 + 1) < SHARES_A_DEVICE
        self.shares_device = together[pair]
        self._add_bots(plan, people, bots)

    def _add_bots(self, plan: Plan, people: int, bots: int) -> None:
        self.segment[people:] = BOT
        self.visits[people:] = BOT_VISITS * people * BOT_SHARE / bots
        self.buys[people:] = 0
        self.has_account[people:] = False
        self.joins[people:], self.leaves[people:] = plan.start, NEVER
        self.weekend[people:] = 1
        self.devices[people:] = 1
        self.answer[people:] = SILENT
        self.changes[people:] = NEVER
        self.opens_email[people:] = 0
        # a pair of which one is a bot shares nothing
        self.shares_device[people - people % 2 :] = False

    def rates(self, day: int, is_weekend: bool) -> NDArray[np.float64]:
        """Return each one's expected visits on a day, but for the season.

        Args:
            day: when it begins.
            is_weekend: whether it is Saturday or Sunday.
        """
        here = (self.joins < day + DAY_MS) & (self.leaves > day)
        rates = np.where(here, self.visits, 0.0).astype(np.float64)
        rates *= np.where(self.leaves - day < FADING_MS, FADED, 1.0)
        return rates * self.weekend if is_weekend else rates


def _wide(rng: np.random.Generator, mean: NDArray[np.float64], sigma: float) -> Floats:
    """Return lognormal values of these means."""
    values = mean * rng.lognormal(-sigma * sigma / 2, sigma, len(mean))
    return values.astype(np.float32)
