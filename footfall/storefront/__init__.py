"""What a shop imports to read: the record and a small client, sync and async."""

from footfall.storefront.client import AsyncStorefront, Storefront
from footfall.storefront.record import Profile

__all__ = ["AsyncStorefront", "Profile", "Storefront"]
