"""The local servers: up, down, status, reset; two stacks beside each other; what goes wrong."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from footfall.errors import BadArgument, ServerUnavailable
from footfall.events import topics
from footfall.settings import ROOT, settings
from footfall.stack import account, home, kafka, postgres, process, redis, server
from footfall.stack import servers as stack
from footfall.stack.home import Home
from footfall.warehouse.connection import connect

FOOTFALL = str(Path(sys.executable).with_name("footfall"))


def point(patch: pytest.MonkeyPatch, **values: object) -> None:
    for name, value in values.items():
        patch.setenv(f"FOOTFALL_{name.upper()}", str(value))
    settings.cache_clear()


@pytest.fixture(scope="module")
def started(
    servers: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, list[dict[str, object]]]]:
    """Start a second stack, by two commands at once of an ordinary user; give what they said."""
    folder = tmp_path_factory.mktemp("second") / "home"
    folder.mkdir()
    both = [_start_as_an_ordinary_user(folder) for _ in range(2)]
    said = [json.loads(one.communicate(timeout=120)[0]) for one in both]
    assert [one.returncode for one in both] == [0, 0]
    yield folder, said
    with pytest.MonkeyPatch.context() as patch:
        point(patch, home=folder)
        stack.reset()
    assert list(folder.iterdir()) == [folder / home.LOCK]


def _start_as_an_ordinary_user(folder: Path) -> subprocess.Popen[bytes]:
    """Run ``footfall up``; under root, as another account."""
    who = account.unprivileged([Path(sys.executable).resolve(), ROOT / "footfall", folder])
    if who:
        os.chown(folder, who.uid, who.gid)
    return subprocess.Popen(
        [*(who.prefix if who else ()), FOOTFALL, "up", "--json"],
        user=who.user if who else None,
        group=who.group if who else None,
        extra_groups=who.extra_groups if who else None,
        env={
            **os.environ,
            "FOOTFALL_HOME": str(folder),
            "FOOTFALL_KAFKA_BROKER": "wheel",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd="/",
        stdout=subprocess.PIPE,
    )


@pytest.fixture
def second(started: tuple[Path, object], monkeypatch: pytest.MonkeyPatch) -> stack.Status:
    """Point the settings at the second stack; give its status."""
    point(monkeypatch, home=started[0], kafka_broker="wheel")
    return stack.up()


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Point the settings at a home where nothing was started yet."""
    point(monkeypatch, home=tmp_path / "home", kafka_broker="wheel")
    yield Home(tmp_path / "home")
    point(monkeypatch, home=tmp_path / "home")
    stack.down()


def test_two_ups_at_once_make_one_stack(
    started: tuple[Path, list[dict[str, object]]],
) -> None:
    first, other = started[1]
    assert first == other


def test_the_servers_run_as_the_ordinary_user_who_started_them(
    started: tuple[Path, object],
) -> None:
    entries = Home(started[0]).read()["services"].values()
    owners = {psutil.Process(entry["pid"]).uids().effective for entry in entries}
    assert owners == {started[0].stat().st_uid}
    assert 0 not in owners


def test_up_twice_changes_nothing(second: stack.Status) -> None:
    before = settings().stack_file.read_text()

    again = stack.up()

    assert again == second
    assert settings().stack_file.read_text() == before


def test_two_stacks_run_side_by_side(second: stack.Status, request: pytest.FixtureRequest) -> None:
    first = request.getfixturevalue("servers").as_dict()["services"]
    other = second.as_dict()["services"]

    for name, key in (("postgres", "dsn"), ("redis", "url"), ("kafka", "bootstrap")):
        assert other[name]["healthy"]
        assert other[name][key] != first[name][key]
    with Redis.from_url(first["redis"]["url"]) as one, Redis.from_url(other["redis"]["url"]) as two:
        two.set("whose", "second")
        assert one.get("whose") is None


def test_the_servers_listen_on_this_machine_only(second: stack.Status) -> None:
    for entry in Home(settings().home).read()["services"].values():
        sockets = psutil.Process(entry["pid"]).net_connections("tcp")
        listening = {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}


def test_nobody_enters_postgres_without_the_password(second: stack.Status) -> None:
    dsn = second.as_dict()["services"]["postgres"]["dsn"]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(dsn, password="guessed")


def test_the_passwords_are_for_their_owners_eyes(second: stack.Status) -> None:
    for name in (home.MARK, "stack.json"):
        assert (settings().home / name).stat().st_mode & 0o077 == 0


def test_postgres_is_durable_and_sized_for_a_small_machine(second: stack.Status) -> None:
    wanted = {"fsync": "on", "jit": "off", "shared_buffers": "512MB", "max_connections": "100"}
    with connect() as connection:
        for name, value in wanted.items():
            assert connection.execute("select current_setting(%s)", (name,)).fetchone() == (value,)


def test_redis_never_evicts(second: stack.Status) -> None:
    with Redis.from_url(settings().redis) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = {service.name: service for service in stack.status().services}
        client.config_set("maxmemory-policy", "noeviction")
    assert not found["redis"].healthy
    assert "allkeys-lru" in str(found["redis"].problem)


def test_the_topics_are_there_first(second: stack.Status) -> None:
    assert {"shop.events", "shop.catalog", "shop.segments"} <= topics.existing(settings().kafka)


def test_a_killed_postgres_is_reported_and_comes_back_with_its_data(
    second: stack.Status,
) -> None:
    with connect() as connection:
        connection.execute("create table kept as select 1 as one")
    entry = Home(settings().home).read()["services"]["postgres"]
    postmaster = psutil.Process(entry["pid"])
    postmaster.kill()
    psutil.wait_procs([postmaster], timeout=10)

    with pytest.raises(ServerUnavailable, match=rf"127\.0\.0\.1:{entry['port']}.*footfall up"):
        connect()
    found = {service.name: service for service in stack.status().services}
    assert found["postgres"].problem == "its process is gone; run: footfall up"

    assert stack.up().healthy
    with connect() as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)
        connection.execute("drop table kept")


def test_a_frozen_postgres_does_not_freeze_the_status(second: stack.Status) -> None:
    pid = Home(settings().home).read()["services"]["postgres"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        found = {service.name: service for service in stack.status().services}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert not found["postgres"].healthy
    assert found["redis"].healthy


def test_a_port_that_must_be_had_and_is_taken_is_named(
    empty_home: Home, second: stack.Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Home(settings().home).read()["services"]["redis"]["port"]
    point(monkeypatch, home=empty_home.path, redis_port=taken)
    empty_home.claim()

    with pytest.raises(ServerUnavailable, match=rf"FOOTFALL_REDIS_PORT={taken}: .*taken"):
        redis.Redis(empty_home, settings()).up()


def test_another_server_that_answers_on_the_recorded_port_is_not_taken_for_ours(
    empty_home: Home, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.1)
    empty_home.claim()
    theirs = int(redis_url.split(":")[2].split("/")[0])
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as ours:
        entry = {"pid": ours.pid, "born": process.birth(ours.pid), "port": theirs}
        empty_home.note("redis", {**entry, "address": redis_url})

        found = redis.Redis(empty_home, settings()).up()

    assert found["port"] != theirs


def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(empty_home: Home) -> None:
    empty_home.claim()
    with subprocess.Popen(["sleep", "600"]) as stranger:
        empty_home.note("redis", {"pid": stranger.pid, "born": "another", "port": 1})

        stack.down()

        assert stranger.poll() is None
        stranger.kill()
    assert empty_home.read() == {"services": {}}


def test_without_java_the_broker_of_the_wheel_serves_with_a_new_cluster_id_each_time(
    empty_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kafka.admin import KafkaAdminClient

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    point(monkeypatch, kafka_broker="auto")
    empty_home.claim()
    broker = kafka.Kafka(empty_home, settings())

    clusters = set()
    for _ in range(2):
        entry = broker.up()
        assert entry["kind"] == "wheel"
        admin = KafkaAdminClient(bootstrap_servers=entry["address"])
        clusters.add(admin.describe_cluster()["cluster_id"])
        admin.close()
        broker.down(entry)
    assert len(clusters) == 2

    point(monkeypatch, kafka_broker="apache")
    with pytest.raises(ServerUnavailable, match="FOOTFALL_KAFKA_BROKER=apache, but no java"):
        kafka.Kafka(empty_home, settings()).up()


def test_a_server_that_dies_at_its_start_says_why_and_where_it_is_written(empty_home: Home) -> None:
    empty_home.claim()
    broken = postgres.Postgres(empty_home, settings())
    broken.data.mkdir(parents=True)
    (broken.data / "PG_VERSION").write_text("9.1\n")

    with pytest.raises(ServerUnavailable) as error:
        broken.up()

    assert "Postgres died at its start: " in str(error.value)
    assert str(broken.log) in str(error.value)
    assert "\n" not in str(error.value)


def test_up_and_reset_leave_a_strangers_folder_alone(empty_home: Home) -> None:
    empty_home.path.mkdir()
    theirs = empty_home.path / "thesis.txt"
    theirs.write_text("years of work")

    with pytest.raises(BadArgument, match=r"holds 'thesis\.txt'"):
        stack.up()
    with pytest.raises(BadArgument, match="nothing was deleted"):
        stack.reset()

    assert theirs.read_text() == "years of work"


def test_a_full_disk_is_named(empty_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "LEAST_FREE_BYTES", 10**18)
    with pytest.raises(ServerUnavailable, match=rf"MB are free at {empty_home.path}"):
        stack.up()


def test_a_home_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point(monkeypatch, home="/dev/null/home")
    with pytest.raises(BadArgument, match="FOOTFALL_HOME=/dev/null/home cannot be used"):
        stack.up()


def test_down_and_status_are_harmless_where_nothing_runs(empty_home: Home) -> None:
    stack.down()
    stack.reset()
    found = stack.status().as_dict()
    assert [one["healthy"] for one in found["services"].values()] == [False] * 3
    assert found["services"]["postgres"]["dsn"] is None
    assert found["airflow"] == {"url": None, "healthy": False}


def test_somebody_elses_servers_are_used_and_never_stopped(
    environment: dict[str, str], empty_home: Home
) -> None:
    status = stack.up()
    stack.down()

    assert status.healthy
    assert empty_home.read() == {"services": {}}
    assert stack.status().as_dict()["services"]["kafka"]["kind"] == "external"
    assert stack.status().healthy


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("FOOTFALL_POSTGRES_DSN", "postgresql://u:secret@127.0.0.1:9/footfall"),
        ("FOOTFALL_REDIS_URL", "redis://:secret@127.0.0.1:9/0"),
        ("FOOTFALL_KAFKA_BOOTSTRAP", "127.0.0.1:9"),
    ],
)
def test_somebody_elses_server_that_is_away_is_named_without_its_password(
    environment: dict[str, str],
    empty_home: Home,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    value: str,
) -> None:
    monkeypatch.setenv(setting, value)
    settings.cache_clear()
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:9") as error:
        stack.up()
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)
