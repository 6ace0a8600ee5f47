"""What the truth says of each customer is what their events say."""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from footfall.cli import app
from footfall.events.sources.simulate import plan
from footfall.ingest.micro_batch import ingest_until_caught_up
from tests.events.simulated import Run, Sent, run

FROM_THE_SERVER = frozenset(
    {
        "Order Refunded",
        "Order Cancelled",
        "Product Reviewed",
        "Email Opened",
        "Email Link Clicked",
    }
)
SHORTEST_VISIT_AFTER = timedelta(hours=8)
MONEY = ("gross_revenue", "discount", "refunded", "net_revenue")


@pytest.fixture(scope="module")
def shop() -> Run:
    return run(plan(seed=5, customers=400))


@pytest.fixture(scope="module")
def by_customer(shop: Run) -> dict[int, list[Sent]]:
    """Each customer's events: those of their user id or, without one, of a device of their own."""
    owners: dict[str, int] = {}
    for line in shop.customers:
        if line["user_id"]:
            owners[line["user_id"]] = line["customer"]
        for device in line["anonymous_ids"]:
            if not line["shares_a_device"]:
                owners[device] = line["customer"]
    found = defaultdict(list)
    for sent in shop.events:
        owner = owners.get(sent.event.user_id or sent.event.anonymous_id or "")
        if owner is not None:
            found[owner].append(sent)
    return found


def test_each_customers_orders_and_money_are_those_of_their_events(
    shop: Run, by_customer: dict[int, list[Sent]]
) -> None:
    checked = 0
    for line in shop.customers:
        if line["shares_a_device"] and not line["user_id"]:
            continue
        assert _account(by_customer[line["customer"]]) == {
            name: Decimal(str(line[name])) for name in ("orders", "cancelled", *MONEY)
        }
        checked += bool(line["orders"])
    assert checked > 100
    for name in ("orders", *MONEY):
        total = sum(Decimal(str(line[name])) for line in shop.customers)
        assert total == Decimal(str(shop.summary[name]))


def test_the_truth_knows_every_id_that_was_sent(shop: Run) -> None:
    lines = [*shop.customers, *shop.bots]
    anonymous = {sent.event.anonymous_id for sent in shop.events} - {None}
    users = {sent.event.user_id for sent in shop.events} - {None}
    assert {device for line in lines for device in line["anonymous_ids"]} == anonymous
    assert {line["user_id"] for line in lines} - {None} == users
    assert sum(line["events"] for line in lines) == len(shop.events)


def test_a_shared_device_is_known_of_two_customers(shop: Run) -> None:
    owners = defaultdict(set)
    for line in shop.customers:
        for device in line["anonymous_ids"]:
            owners[device].add(line["customer"])
    shared = [device for device, customers in owners.items() if len(customers) > 1]
    assert shared
    assert all(
        line["shares_a_device"]
        for line in shop.customers
        if set(line["anonymous_ids"]) & set(shared)
    )


def test_nobody_visits_before_they_join_or_after_they_churn(
    shop: Run, by_customer: dict[int, list[Sent]]
) -> None:
    churned = 0
    for line in shop.customers:
        joined = datetime.fromisoformat(line["joined_at"])
        left = line["churned_at"] and datetime.fromisoformat(line["churned_at"])
        for sent in by_customer[line["customer"]]:
            assert sent.event.occurred_at >= joined
            if left and sent.name not in FROM_THE_SERVER:
                assert sent.event.occurred_at < left + SHORTEST_VISIT_AFTER
        churned += left is not None
    assert 0.2 < churned / len(shop.customers) < 0.8


def test_every_event_says_of_consent_what_its_customer_says_then(
    shop: Run, by_customer: dict[int, list[Sent]]
) -> None:
    changed = 0
    for line in shop.customers:
        sents = sorted(by_customer[line["customer"]], key=lambda sent: sent.event.occurred_at)
        said = [sent.event.allows_profiling for sent in sents if sent.name not in FROM_THE_SERVER]
        if line["consent"] == "says nothing":
            assert set(said) <= {None}
            continue
        first = line["consent"] == "allows"
        switch = next(
            (n for n, sent in enumerate(sents) if sent.event.event_name == "consent"), None
        )
        if switch is None:
            late = line["consent_changes_at"]
            assert all(
                sent.event.allows_profiling is first
                for sent in sents
                if not late or sent.event.occurred_at < datetime.fromisoformat(late)
            )
            continue
        changed += 1
        assert sents[switch].event.allows_profiling is not first
        assert said[-1] is not first
    assert changed > 3
    shares = {line["consent"] for line in shop.customers}
    assert shares == {"allows", "refuses", "analytics only", "says nothing"}


def test_hidden_propensities_show_in_what_customers_do(shop: Run) -> None:
    seen = [line for line in shop.customers if line["events"]]
    often = [line for line in seen if line["visits_per_day"] * line["buys_per_visit"] > 0.03]
    rarely = [line for line in seen if line["visits_per_day"] * line["buys_per_visit"] < 0.003]
    assert _mean(often, "orders") > 10 * _mean(rarely, "orders")
    assert {line["segment"] for line in shop.customers} == {
        "loyal",
        "regular",
        "occasional",
        "window shopper",
    }


def test_bots_look_much_and_buy_nothing(shop: Run) -> None:
    assert shop.bots
    ids = {device for bot in shop.bots for device in bot["anonymous_ids"]}
    names = {sent.name for sent in shop.events if sent.event.anonymous_id in ids}
    assert names == {"page", "Product Viewed"}
    assert all(bot["events"] > 100 and not bot["orders"] for bot in shop.bots)


def test_a_truth_file_that_cannot_be_written_stops_the_command_before_it_sends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing" / "truth.jsonl"
    done = CliRunner().invoke(app, ["replay", "simulate", "--truth", str(path)])
    assert "cannot write" in str(done.exception)


def test_the_command_writes_the_truth_of_what_it_sent(topic: str, tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    command = ["replay", "simulate", "--customers", "50", "--days", "9", "--limit", "200"]
    done = CliRunner().invoke(app, [*command, "--truth", str(path), "--json"])
    assert done.exit_code == 0, done.output
    sent = msgspec.json.decode(done.stdout)
    *people, summary = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert (sent["records"], sent["topic"]) == (200, topic) == (summary["records"], topic)
    assert sent["catalog_records"] == summary["catalog_records"] >= 300
    assert len(people) == 51
    done = CliRunner().invoke(app, ["replay", "complete-journey", "--seed", "1"])
    assert "--seed is for the source simulate, not for complete-journey" in str(done.exception)


def test_a_loader_stores_what_the_truth_says_was_sent(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "truth.jsonl"
    options = ["--customers", "60", "--days", "30", "--malformed", "0.05", "--late", "0.2"]
    done = CliRunner().invoke(app, ["replay", "simulate", *options, "--truth", str(path)])
    assert done.exit_code == 0, done.output
    summary = msgspec.json.decode(path.read_bytes().splitlines()[-1])
    load = ingest_until_caught_up()
    assert (load.records_read, load.stored, load.duplicates, load.rejected) == tuple(
        summary[name] for name in ("records", "events", "duplicates", "malformed")
    )


def _account(sents: list[Sent]) -> dict[str, Decimal]:
    """Add up a customer's orders as the warehouse does: refunds without amount are of all."""
    paid: dict[str, Decimal] = {}
    account = dict.fromkeys(("orders", "cancelled", *MONEY), Decimal(0))
    for sent in sents:
        order = sent.body.get("properties", {})
        if sent.name == "Order Completed":
            gross = sum(
                (Decimal(str(line["price"])) * line["quantity"] for line in order["products"]),
                Decimal(0),
            )
            paid[order["order_id"]] = gross - _amount(order, "discount")
            assert paid[order["order_id"]] == _amount(order, "total") == _amount(order, "revenue")
            account["orders"] += 1
            account["gross_revenue"] += gross
            account["discount"] += _amount(order, "discount")
        elif sent.name == "Order Cancelled":
            account["cancelled"] += 1
            account["refunded"] += paid[order["order_id"]]
        elif sent.name == "Order Refunded":
            refund = _amount(order, "total") if "total" in order else paid[order["order_id"]]
            account["refunded"] += refund
    account["net_revenue"] = account["gross_revenue"] - account["discount"] - account["refunded"]
    return account


def _amount(order: dict[str, Any], name: str) -> Decimal:
    return Decimal(str(order[name]))


def _mean(lines: list[dict[str, Any]], name: str) -> float:
    return float(sum(line[name] for line in lines) / len(lines))
