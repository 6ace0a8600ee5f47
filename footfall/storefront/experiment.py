"""Which arm of an experiment a customer is in: by a hash that anybody can compute again.

The first eight hexadecimal digits of SHA-256 over ``<experiment>:<customer_id>``, as a number
below 2**32, put a customer on a scale from 0 to 1; the arms share that scale in their order. The
experiment's name is the salt: another one mixes customers anew. No list is kept, so whoever knows
name and shares knows everybody's arm, also of customers who have no record.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate
from typing import Self

_ARM = re.compile(r"([a-z][a-z0-9_-]*)=(\d+(?:\.\d+)?)")
_SCALE = 2**32


@dataclass(frozen=True)
class Experiment:
    """A name, and each arm with the number at which its part of the scale ends, exclusive."""

    name: str
    ends: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, name: str, arms: str) -> Self:
        """Read arms and their shares in percent: ``treatment=90,holdout=10``.

        Raises:
            ValueError: no such list, an arm twice, or shares that do not come to 100.

        >>> Experiment.parse("banner", "treatment=99.5,holdout=0.5").arm("c1")
        'treatment'
        """
        found = [_ARM.fullmatch(part.strip()) for part in arms.split(",")]
        shares = {match[1]: Fraction(match[2]) for match in found if match}
        if len(shares) < len(found):
            raise ValueError(f"arms {arms!r} are no list such as treatment=90,holdout=10")
        if sum(shares.values()) != 100:
            total = float(sum(shares.values()))
            raise ValueError(f"the shares of {arms!r} come to {total:g} percent, not to 100")
        ends = (math.ceil(share * _SCALE / 100) for share in accumulate(shares.values()))
        return cls(name, tuple(zip(shares, ends, strict=True)))

    def arm(self, customer_id: str) -> str:
        """Return a customer's arm."""
        digest = sha256(f"{self.name}:{customer_id}".encode()).digest()
        place = int.from_bytes(digest[:4])
        return next(name for name, end in self.ends if place < end)
