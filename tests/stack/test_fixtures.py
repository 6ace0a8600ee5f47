"""The fixtures that every other test stands on."""

import psycopg
from redis import Redis

from footfall.settings import settings


def test_each_test_gets_a_migrated_database_of_its_own(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from raw.loads").fetchone() == (0,)
    assert settings().postgres == database


def test_the_environment_points_at_this_tests_own_servers(
    environment: dict[str, str], database: str, redis_url: str, topic: str
) -> None:
    assert settings().topic_list == [topic] == [environment["FOOTFALL_TOPICS"]]
    assert settings().redis == redis_url
    assert settings().postgres == database
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
