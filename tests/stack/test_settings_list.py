"""One list of settings: ``.env.example``."""

import re

from footfall.settings import ROOT, Settings

LINES = re.findall(r"^#?FOOTFALL_(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
EXAMPLES = {"postgres_dsn", "redis_url", "kafka_bootstrap", "airflow_dsn", "dask_scheduler"}


def test_env_example_lists_every_setting_and_no_other() -> None:
    listed = [name.lower() for name, _ in LINES]

    assert sorted(listed) == sorted(Settings.model_fields)


def test_env_example_shows_the_defaults() -> None:
    shown = {f"FOOTFALL_{name}": value for name, value in LINES if value}
    given = {name.removeprefix("FOOTFALL_").lower(): value for name, value in shown.items()}
    read = Settings(_env_file=None, **{n: v for n, v in given.items() if n not in EXAMPLES})
    defaults = Settings(_env_file=None)

    for name in given.keys() - EXAMPLES - {"home"}:
        assert getattr(read, name) == getattr(defaults, name), name
