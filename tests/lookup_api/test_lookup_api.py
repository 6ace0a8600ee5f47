"""The lookup API as a shop meets it: the command, a real Redis, and HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from footfall.lookup_api import MOST_BYTES
from footfall.publish import store
from footfall.stack.servers import Status
from footfall.storefront.reading import MOST_CUSTOMERS
from footfall.storefront.record import (
    Fallback,
    Profile,
    encode,
    encode_fallback,
    fallback_key,
    record_key,
)

KEYS = ["a-key-of-tests-1", "a-key-of-tests-2"]
BIN = Path(sys.executable).parent
KNOWN, STRANGER = "c00000000000000000001", "c00000000000000000002"
NOW = datetime.now(UTC).replace(microsecond=0)  # Redis expires keys by its own clock
PROFILE = Profile(
    customer_id=KNOWN,
    version="7",
    purchase=0.25,
    purchase_percentile=80.0,
    segment="loyal",
    reasons={"purchase": ("because",)},
    products=("tea",),
    as_of=NOW,
    scored_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    models={"purchase": "purchase-1"},
    experiment="banner",
    arm="holdout",
)


def serve(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / "footfall", "serve", "--port", "0", "--json", *words],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def api(servers: Status) -> Iterator[httpx.Client]:
    """Run the command, which opens at a free port; give a client that holds a key."""
    url = str(servers.as_dict()["services"]["redis"]["url"])
    process = serve({"FOOTFALL_STOREFRONT_URL": url, "FOOTFALL_API_KEYS": ",".join(KEYS)})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        key = {"Authorization": f"Bearer {KEYS[0]}"}
        with httpx.Client(base_url=json.loads(line)["url"], headers=key) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.fixture(autouse=True)
def published(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as server:
        server.function_load(Path(store.FUNCTIONS).read_text(), replace=True)
        server.hset(record_key("7", KNOWN), mapping=encode(PROFILE))
        for segment, product in ((None, "milk"), ("loyal", "honey")):
            fallback = Fallback(
                products=(product,), version="7", expires_at=NOW + timedelta(hours=1)
            )
            server.hset(fallback_key("7", segment), mapping=encode_fallback(fallback))
        server.set("ff:current", "7")
        yield server


def test_a_customers_profile_is_what_the_client_reads(api: httpx.Client):
    answer = api.get(f"/v1/customers/{KNOWN}")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(PROFILE.as_dict()))


def test_who_is_unknown_is_no_error_and_is_shown_their_segments_products(api: httpx.Client):
    facts = api.get(f"/v1/customers/{STRANGER}", params={"segment": "loyal"}).json()
    assert (facts["status"], facts["why"], facts["products"]) == ("unknown", "absent", ["honey"])
    assert api.get(f"/v1/customers/{STRANGER}").json()["products"] == ["milk"]


def test_a_batch_is_of_one_publication(api: httpx.Client):
    asked = {"customer_ids": [KNOWN, STRANGER], "segments": {STRANGER: "loyal"}}
    customers = api.post("/v1/customers", json=asked).json()["customers"]
    assert list(customers) == [KNOWN, STRANGER]
    assert [one["products"] for one in customers.values()] == [["tea"], ["honey"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"customer_ids": ["c 1"]}',
        b'{"customer_ids": [], "more": 1}',
        json.dumps({"customer_ids": [f"c{n}" for n in range(MOST_CUSTOMERS + 1)]}).encode(),
    ],
    ids=["empty", "cut off", "a list", "a wrong id", "a wrong field", "too many"],
)
def test_a_body_that_is_no_batch_is_refused(api: httpx.Client, body: bytes):
    assert api.post("/v1/customers", content=body).status_code == 422


def test_the_largest_batch_fits_and_a_larger_body_does_not(api: httpx.Client):
    names = [f"{number:064}" for number in range(MOST_CUSTOMERS)]
    batch = json.dumps({"customer_ids": names, "segments": dict.fromkeys(names, "s" * 64)})
    assert api.post("/v1/customers", content=batch).status_code == 200
    assert api.post("/v1/customers", content=b" " * (MOST_BYTES + 1)).status_code == 413


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"Basic {KEYS[0]}", f"Bearer {KEYS[0]}x"]
)
def test_without_a_key_nothing_is_told(api: httpx.Client, header: str | None):
    headers = {} if header is None else {"Authorization": header}
    with httpx.Client(base_url=api.base_url, headers=headers) as stranger:
        for answer in (
            stranger.get(f"/v1/customers/{KNOWN}"),
            stranger.post("/v1/customers", content=b" " * (MOST_BYTES + 1)),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"


def test_each_of_the_keys_opens(api: httpx.Client):
    key = {"Authorization": f"Bearer {KEYS[1]}"}
    assert api.get(f"/v1/customers/{KNOWN}", headers=key).status_code == 200


def test_health_tells_the_live_version(api: httpx.Client, published: Redis):
    assert api.get("/healthz").json() == {"status": "ok", "version": "7"}
    published.delete("ff:current")
    assert api.get("/healthz").json() == {"status": "ok", "version": None}


def test_metrics_tell_how_long_and_who_was_unknown(api: httpx.Client):
    def told() -> dict[str, float]:
        lines = api.get("/metrics").text.splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
        }

    api.get(f"/v1/customers/{STRANGER}")
    before = told()
    api.get(f"/v1/customers/{STRANGER}")
    after = told()
    unknown = 'footfall_lookup_profiles_total{status="unknown",why="absent"}'
    route = '{code="200",method="GET",route="/v1/customers/{customer_id}"}'
    for name in (unknown, f"footfall_lookup_request_seconds_count{route}"):
        assert after[name] == before[name] + 1
    assert not [name for name in after if STRANGER in name]


def test_a_redis_that_is_away_makes_customers_unknown_and_the_service_unwell(servers: Status):
    process = serve(
        {"FOOTFALL_STOREFRONT_URL": "redis://127.0.0.1:1", "FOOTFALL_API_KEYS": KEYS[0]}
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        key = {"Authorization": f"Bearer {KEYS[0]}"}
        assert httpx.get(f"{url}/v1/customers/{KNOWN}", headers=key).json()["why"] == "unavailable"
        assert httpx.get(f"{url}/healthz").status_code == 503
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"FOOTFALL_API_KEYS": ""}, 2, "FOOTFALL_API_KEYS"),
        ({"FOOTFALL_API_KEYS": f"{KEYS[0]},short"}, 2, "16 characters"),
        ({"FOOTFALL_API_KEYS": KEYS[0], "FOOTFALL_STOREFRONT_URL": "http://x"}, 2, "STOREFRONT"),
    ],
)
def test_without_a_key_or_a_redis_it_does_not_start(
    servers: Status, environment: dict[str, str], code: int, words: str
):
    process = serve(environment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert words in errors
    assert errors.count("\n") == 1


def test_a_port_that_is_taken_is_named(api: httpx.Client):
    process = serve({"FOOTFALL_API_KEYS": KEYS[0]}, "--port", str(api.base_url.port))
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert f"127.0.0.1:{api.base_url.port}" in errors


def test_the_api_is_as_its_openapi_says(api: httpx.Client, tmp_path: Path):
    done = subprocess.run(
        [
            *(BIN / "schemathesis", "run", f"{api.base_url}/openapi.json"),
            *("--header", f"Authorization: Bearer {KEYS[0]}"),
            *("--generation-deterministic", "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", "40", "--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    routes: dict[str, Any] = api.get("/openapi.json").json()["paths"]
    assert set(routes) == {
        "/v1/customers/{customer_id}",
        "/v1/customers",
        "/healthz",
        "/metrics",
    }
