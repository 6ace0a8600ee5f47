"""The dialects as data: one YAML file each.

``segment.yml`` is the native one: it says which names mean which canonical names. The others say
how to map their records to it; ``footfall.events.mapping_file`` reads them.
"""

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
        return self.events.get(name) or self.events.get(folded(name))


@cache
def dialect(name: str) -> Dialect:
    """Read the names of a native dialect, once per process."""
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
            for key in (name, folded(name))
        },
    )


def folded(name: str) -> str:
    """Return a name as names are compared: without regard to case, ``_`` and ``-``."""
    return " ".join(name.replace("_", " ").replace("-", " ").split()).casefold()
