"""Real servers, started once; for each test a database, a topic and an empty Redis of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
from hypothesis import strategies
from psycopg import sql

from footfall.settings import Settings, settings
from footfall.stack import servers as stack
from footfall.stack.servers import Status
from footfall.warehouse.migrate import migrate

DATABASE = "test"
TEMPLATE = "footfall_template"
PARTITIONS = 4
# Durability is for data that somebody will miss.
FASTER = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

numbers = count(1)


def set_environment(patch: pytest.MonkeyPatch, **values: object) -> None:
    """Set FOOTFALL_* variables and have the settings read anew."""
    for name, value in values.items():
        patch.setenv(f"FOOTFALL_{name.upper()}", str(value))
    settings.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def unicode_tables() -> None:
    """Have Hypothesis build its tables of characters, once per machine, before a property is timed.

    On a new clone that takes seconds, and the first property that draws text would pay for it.
    """

    @hypothesis.settings(
        max_examples=1, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    @hypothesis.given(strategies.text())
    def draw(text: str) -> None:
        assert isinstance(text, str)

    draw()


@pytest.fixture(scope="session", autouse=True)
def test_home() -> Iterator[Path]:
    """Keep every test away from the developer's own servers and settings."""
    # Not tmp_path_factory: Postgres, which is not root, has to reach its data folder.
    home = Path(tempfile.mkdtemp(prefix="footfall-test-"))
    home.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FOOTFALL_")]:
            if name != "FOOTFALL_KAFKA_BROKER":
                patch.delenv(name)
        patch.setitem(Settings.model_config, "env_file", None)
        set_environment(patch, home=home)
        yield home
    settings.cache_clear()
    shutil.rmtree(home)


@pytest.fixture(autouse=True)
def settings_end_with_the_test() -> Iterator[None]:
    """Read the settings anew after each test: asks for no fixture, so it ends after all others."""
    yield
    settings.cache_clear()


@pytest.fixture(scope="session")
def servers(test_home: Path) -> Iterator[Status]:
    """Run Postgres, Redis and Kafka."""
    with pytest.MonkeyPatch.context() as patch:
        set_environment(patch, home=test_home)
        try:
            status = stack.up()
            _prepare_postgres(admin_dsn(status))
            yield status
        finally:
            set_environment(patch, home=test_home)
            stack.down()


def admin_dsn(status: Status) -> str:
    """Return the DSN of Postgres's superuser."""
    return str(status.as_dict()["services"]["postgres"]["admin_dsn"])


@contextmanager
def new_database(servers: Status, template: str = TEMPLATE) -> Iterator[str]:
    """Give the DSN of a copy of a template, as long as it is needed.

    It has the same name each time: dbt reads its project anew for a name that it does not know.
    """
    new, copied = sql.Identifier(DATABASE), sql.Identifier(template)
    with psycopg.connect(admin_dsn(servers), autocommit=True) as admin:
        # Without fsync a copy of files takes a third of the time of the default, a copy by the log.
        admin.execute(
            sql.SQL("create database {} template {} owner footfall strategy file_copy").format(
                new, copied
            )
        )
        try:
            yield _at(str(servers.as_dict()["services"]["postgres"]["dsn"]), DATABASE)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(new))


@pytest.fixture
def database(servers: Status, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the DSN of a fresh migrated database; the settings point at it."""
    with new_database(servers) as address:
        set_environment(monkeypatch, postgres_dsn=address)
        yield address


@pytest.fixture
def redis_url(servers: Status, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of an empty Redis; the settings point at it."""
    from redis import Redis

    url = str(servers.as_dict()["services"]["redis"]["url"])
    with Redis.from_url(url) as client:
        client.flushall()
        client.function_flush()
    set_environment(monkeypatch, redis_url=url)
    return url


@pytest.fixture(scope="session")
def kafka_admin(servers: Status) -> Iterator[Any]:
    """Give a Kafka admin client."""
    from kafka.admin import KafkaAdminClient

    bootstrap = servers.as_dict()["services"]["kafka"]["bootstrap"]
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    yield client
    client.close()


@pytest.fixture
def topic(servers: Status, kafka_admin: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a fresh topic of four partitions; the settings point at it."""
    name = f"test.events.{os.getpid()}.{next(numbers)}"
    topic = {"num_partitions": PARTITIONS, "configs": {"retention.ms": "-1"}}
    kafka_admin.create_topics({name: topic}, wait_for_metadata=True)
    bootstrap = servers.as_dict()["services"]["kafka"]["bootstrap"]
    set_environment(monkeypatch, topics=name, kafka_bootstrap=bootstrap)
    return name


@pytest.fixture
def environment(database: str, redis_url: str, topic: str) -> dict[str, str]:
    """Point every setting at this test's own database, Redis and topic; give the variables."""
    return {name: value for name, value in os.environ.items() if name.startswith("FOOTFALL_")}


def _prepare_postgres(admin: str) -> None:
    with psycopg.connect(admin, autocommit=True) as connection:
        for name, value in FASTER.items():
            connection.execute(
                sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value))
            )
        connection.execute("select pg_reload_conf()")
        owner = sql.Identifier("footfall")
        new = sql.Identifier(TEMPLATE)
        connection.execute(sql.SQL("create database {} owner {}").format(new, owner))
    migrate(_at(settings().postgres, TEMPLATE))


def _at(dsn: str, database: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()
