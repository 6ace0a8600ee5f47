"""docs/redis.md and the README do what they say, at a real publication."""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from footfall.publish import store
from footfall.storefront.experiment import Experiment
from footfall.storefront.record import (
    FIELDS,
    Fallback,
    Profile,
    encode,
    encode_fallback,
    fallback_key,
    record_key,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "redis.md").read_text()
CUSTOMER, STRANGER = "c0f1e2d3c4b5a69788990", "c00112233445566778899"
EXPIRES_AT = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def server(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        client.function_load(Path(store.FUNCTIONS).read_text(), replace=True)
        profile = Profile(
            customer_id=CUSTOMER,
            version="12",
            purchase=0.25,
            segment="champions",
            reasons={"purchase": ("more likely to buy",)},
            products=("tea",),
            expires_at=EXPIRES_AT,
        )
        client.hset(record_key("12", CUSTOMER), mapping=encode(profile))
        for segment, product in ((None, "milk"), ("loyal", "honey"), ("champions", "cake")):
            fallback = Fallback(products=(product,), version="12", expires_at=EXPIRES_AT)
            client.hset(fallback_key("12", segment), mapping=encode_fallback(fallback))
        client.set("ff:current", "12")
        yield client


def test_the_example_reads(server: Redis, redis_url: str, capsys: pytest.CaptureFixture[str]):
    [example] = blocks(PAGE, "python")
    assert len(example.splitlines()) <= 20
    assert "redis://localhost:16379" in example
    exec(example.replace("redis://localhost:16379", redis_url), {})
    assert capsys.readouterr().out.splitlines() == [
        "champions 0.25 ('more likely to buy',)",
        "('tea',) record",
        f"{{'{CUSTOMER}': 'fresh', '{STRANGER}': 'unknown'}}",
    ]


def test_the_readmes_example_reads(
    server: Redis, redis_url: str, capsys: pytest.CaptureFixture[str]
):
    [example] = blocks((ROOT / "README.md").read_text(), "python")
    exec(example.replace("redis://127.0.0.1:16379", redis_url), {})
    assert capsys.readouterr().out == "unknown None ('milk',)\n"


def test_the_bare_commands_answer(server: Redis):
    lines = [line.split() for line in blocks(PAGE, "console")[0].splitlines()]
    assert {words[0] for words in lines} == {"redis-cli"}
    pointer, record, both, segment, popular = (
        server.execute_command(*words[1:]) for words in lines
    )
    assert pointer == record["version"] == both[0] == "12"
    assert dict(zip(both[1][::2], both[1][1::2], strict=True)) == record
    assert (segment["products"], popular["products"]) == ('["cake"]', '["milk"]')


def test_the_table_has_each_field_of_a_record():
    [_, section] = PAGE.split("## Fields of a record\n")
    [table] = re.findall(r"^\| field \|.*\n\|[-|]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    assert sorted(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) == sorted(FIELDS)


def test_the_shells_lines_find_the_arm_that_a_record_has():
    [script] = [block for block in blocks(PAGE, "sh") if "sha256sum" in block]
    told = subprocess.check_output(["bash", "-c", script], text=True).strip()
    experiment = Experiment.parse("banner-2026", "treatment=90,holdout=10")
    assert told == experiment.arm(CUSTOMER)
