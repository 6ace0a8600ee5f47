"""A simulated shop of any size: customers with hidden propensities, and the events they cause."""

from footfall.events.sources.simulate.plan import Plan, plan
from footfall.events.sources.simulate.shop import Shop

__all__ = ["Plan", "Shop", "plan"]
