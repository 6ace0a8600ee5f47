"""The contract holds: the client of 0.1.0 reads what is published today.

``client_of_0_1_0`` is that client's source as it was, for whoever has it installed.
"""

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from redis import Redis

from footfall.publish import store
from footfall.storefront.record import (
    FIELDS,
    Fallback,
    Profile,
    encode,
    encode_fallback,
    fallback_key,
    record_key,
)

SOURCE = Path(__file__).parent / "client_of_0_1_0"
NOW = datetime.now(UTC).replace(microsecond=0)  # Redis expires keys by its own clock
TODAY = Profile(
    customer_id="c1",
    version="7",
    purchase=0.25,
    purchase_percentile=80.0,
    churn=0.5,
    churn_percentile=10.0,
    discount=0.125,
    discount_percentile=50.0,
    value=184.5,
    value_percentile=91.0,
    segment="loyal",
    reasons={"purchase": ("because",)},
    products=("tea",),
    as_of=NOW,
    scored_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    models={"purchase": "purchase-1"},
    fallback=True,
    fallback_reasons={"churn": "too old"},
    experiment="banner",
    arm="holdout",
)


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the earlier client, beside its own record."""
    for name in ("record", "client"):
        full = f"footfall.storefront.{name}"
        spec = importlib.util.spec_from_file_location(full, SOURCE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, full, module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def published(redis_url: str) -> str:
    with Redis.from_url(redis_url) as server:
        server.function_load(Path(store.FUNCTIONS).read_text(), replace=True)
        fields = encode(TODAY)
        assert set(fields) == set(FIELDS), "everything that a record may have"
        fields["a_field_of_tomorrow"] = "1"
        server.hset(record_key("7", "c1"), mapping=fields)
        popular = Fallback(products=("milk",), version="7", expires_at=NOW + timedelta(hours=1))
        server.hset(fallback_key("7"), mapping=encode_fallback(popular))
        server.set("ff:current", "7")
    return redis_url


def test_the_client_of_0_1_0_reads_todays_publication(earlier: ModuleType, published: str):
    with earlier.Storefront(published, timeout=5) as shop:
        known, absent = shop.get_many(["c1", "c2"], now=NOW).values()
    facts = known.as_dict()
    assert facts == {name: value for name, value in TODAY.as_dict().items() if name in facts}
    assert {"purchase", "churn", "segment", "reasons", "products", "models"} <= set(facts)
    assert (absent.status, absent.why) == ("unknown", "absent")


def test_it_has_an_expired_record_for_unknown_still(earlier: ModuleType, published: str):
    with earlier.Storefront(published, timeout=5) as shop:
        assert shop.get("c1", now=NOW + timedelta(hours=1)).why == "expired"


def test_it_is_the_earlier_one(earlier: ModuleType):
    assert not hasattr(earlier, "Reader")
