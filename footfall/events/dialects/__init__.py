"""The dialects as data: one YAML file each, saying which of its names mean which canonical name."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Dialect:
    """One way to send events.

    ``calls`` maps the kinds of call that carry no event name, ``events`` the names, both to
    canonical names.
    """

    name: str
    version: int
    calls: dict[str, str]
    events: dict[str, str]

    def canonical(self, name: str) -> str | None:
        """Return the canonical name of an event, or None if the mapping does not know it."""
        return self.events.get(name) or self.events.get(_folded(name))


@cache
def dialect(name: str) -> Dialect:
    """Read the mapping of one dialect, once per process."""
    text = (FOLDER / f"{name}.yml").read_text()
    mapping = yaml.safe_load(text)
    return Dialect(
        name=mapping["dialect"],
        version=mapping["version"],
        calls=mapping["calls"],
        events={
            key: canonical
            for canonical, names in mapping["events"].items()
            for name in names
            for key in (name, _folded(name))
        },
    )


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()
