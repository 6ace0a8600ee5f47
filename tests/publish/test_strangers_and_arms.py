"""What a publication tells besides scores: what to show to strangers, and each customer's arm."""

import json
from datetime import timedelta

import pytest
from redis import Redis

from footfall.errors import BadArgument
from footfall.publish.publication import publish
from footfall.storefront.client import Storefront
from footfall.storefront.experiment import Experiment
from tests.conftest import set_environment
from tests.publish.shop import AS_OF, NOW, Shop, customer

TTL = timedelta(hours=48)


def test_strangers_are_shown_what_at_least_five_customers_buy_again(
    shop: Shop, storefront: Storefront, keys: Redis
):
    shop.score()
    shop.segment(AS_OF, "champions")
    shop.many(
        "insert into analytics.customer_products values (%s, %s, %s)",
        [(customer(n), AS_OF, json.dumps(["101", f"only-{n}", "99"])) for n in range(5)],
    )
    version = publish(now=NOW, actor="test").version
    profile = storefront.get("stranger", now=NOW)
    assert (profile.products, profile.products_from) == (("101", "99"), "popular")
    key = f"ff:{version}:f:segment:champions"
    assert keys.hget(key, "products") == '["101", "99"]'
    assert 0 < keys.ttl(key) <= TTL.total_seconds()


def test_records_tell_the_arm_and_another_experiment_changes_all(
    shop: Shop, storefront: Storefront, monkeypatch: pytest.MonkeyPatch
):
    shop.score()
    set_environment(monkeypatch, experiment="banner", experiment_arms="a=50,b=50")
    publish(now=NOW, actor="test")
    experiment = Experiment.parse("banner", "a=50,b=50")
    for name in map(customer, range(5)):
        profile = storefront.get(name, now=NOW)
        assert (profile.experiment, profile.arm) == ("banner", experiment.arm(name))
    set_environment(monkeypatch, experiment="other")
    shop.score(changed=[])
    assert "another experiment" in (publish(now=NOW, actor="test").reason or "")
    set_environment(monkeypatch, experiment_arms="a=50")
    shop.score()
    with pytest.raises(BadArgument, match="FOOTFALL_EXPERIMENT_ARMS: the shares"):
        publish(now=NOW, actor="test")
