"""The record: what is encoded reads back, and what a reader cannot trust is unknown."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.storefront.record import (
    FIELDS,
    SCHEMA,
    Profile,
    decode,
    encode,
    record_key,
    unknown,
)

NOW = datetime(2018, 1, 2, tzinfo=UTC)
MODELS = st.sampled_from(["purchase", "churn", "discount"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SHARES = st.none() | st.floats(0, 1)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
PROFILES = st.builds(
    Profile,
    customer_id=st.from_regex(r"\Ac[0-9a-f]{20}\Z"),
    purchase=SHARES,
    purchase_percentile=st.none() | st.floats(0, 100),
    churn=SHARES,
    churn_percentile=st.none() | st.floats(0, 100),
    discount=SHARES,
    discount_percentile=st.none() | st.floats(0, 100),
    segment=st.none() | TEXT,
    reasons=st.dictionaries(MODELS, st.lists(TEXT, max_size=3).map(tuple)),
    products=st.lists(TEXT, max_size=5).map(tuple),
    as_of=st.none() | INSTANTS,
    scored_at=st.none() | INSTANTS,
    expires_at=INSTANTS,
    models=st.dictionaries(MODELS, TEXT),
    experiment=st.none() | TEXT,
    arm=st.none() | TEXT,
    fallback=st.booleans(),
    fallback_reasons=st.dictionaries(MODELS, TEXT),
    version=st.integers(1, 2**63 - 1).map(str),
)
PROFILE = Profile(
    customer_id="c1",
    version="7",
    purchase=0.25,
    segment="champions",
    as_of=NOW,
    scored_at=NOW,
    purchase_percentile=99.0,
    expires_at=NOW + timedelta(hours=1),
    models={"purchase": "purchase-1"},
)


def read(record: dict[str, str], *, version: str | None = "7", now: datetime = NOW) -> Profile:
    return decode("c1", record, version=version, now=now)


@given(PROFILES)
def test_a_record_reads_back_as_it_was_written(profile: Profile):
    assert profile.expires_at is not None
    before = profile.expires_at - timedelta(microseconds=1)
    record = encode(profile)
    assert decode(profile.customer_id, record, version=profile.version, now=before) == profile
    assert set(record) <= set(FIELDS)


@given(PROFILES, st.timedeltas(timedelta(0), timedelta(days=1000)))
def test_no_record_is_fresh_at_or_after_its_expiry(profile: Profile, late: timedelta):
    assert profile.expires_at is not None
    now = profile.expires_at + late
    answer = decode(profile.customer_id, encode(profile), version=profile.version, now=now)
    assert answer == unknown(profile.customer_id, "expired")


@given(PROFILES)
def test_a_profile_prints_as_json_with_its_fields_at_top_level(profile: Profile):
    facts = json.loads(json.dumps(profile.as_dict()))
    assert set(facts) == {column.name for column in fields(Profile)}


@given(PROFILES, st.dictionaries(TEXT.filter(lambda name: name not in FIELDS), TEXT))
def test_fields_added_later_do_not_break_this_reader(profile: Profile, later: dict[str, str]):
    assert profile.expires_at is not None
    before = profile.expires_at - timedelta(microseconds=1)
    record = {**later, **encode(profile)}
    assert decode(profile.customer_id, record, version=profile.version, now=before) == profile


def test_a_record_of_before_is_no_fallback():
    record = encode(PROFILE)
    assert record.pop("fallback") == "false"
    assert not read(record).fallback
    assert read(record) == PROFILE


def test_a_base_rate_is_told():
    told = replace(PROFILE, fallback=True, fallback_reasons={"purchase": "the model is too old"})
    assert encode(told)["fallback"] == "true"
    assert "purchase 0.250 (base rate)" in told.line()


def test_what_is_not_known_is_absent():
    assert not {"churn", "churn_percentile"} & set(encode(PROFILE))
    assert "segment" not in encode(replace(PROFILE, segment=None))


@pytest.mark.parametrize(
    "change",
    [
        {"schema": str(SCHEMA + 1)},
        {"schema": None},
        {"version": "6"},
        {"expires_at": None},
        {"expires_at": "soon"},
        {"purchase": "high"},
        {"reasons": "[]"},
        {"products": "{"},
        {"models": "3"},
        {"fallback_reasons": "3"},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_trusted_is_unknown(change: dict[str, str | None]):
    record = {**encode(PROFILE), **change}
    assert read({name: value for name, value in record.items() if value is not None}) == unknown(
        "c1", "unreadable"
    )


def test_nothing_published_and_no_such_customer_are_told_apart():
    assert read({}, version=None).why == "unpublished"
    assert read({}).why == "absent"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"purchase": float("nan")}, "purchase of c1 is nan"),
        ({"version": None}, "no version"),
        ({"expires_at": None}, "no expires_at"),
    ],
)
def test_a_record_that_no_reader_could_trust_is_not_written(change, words: str):
    with pytest.raises(ValueError, match=words):
        encode(replace(PROFILE, **change))


def test_an_instant_without_offset_is_read_as_utc():
    record = {**encode(PROFILE), "expires_at": "2018-01-02T01:00:00"}
    assert read(record).expires_at == NOW + timedelta(hours=1)


def test_the_key_names_version_and_customer():
    assert record_key("7", "c1") == "ff:7:c:c1"


def test_a_line_tells_what_matters():
    assert PROFILE.line() == (
        "c1: champions, purchase 0.250 (percentile 99); as of 2018-01-02T00:00:00Z, version 7, "
        "expires 2018-01-02T01:00:00Z"
    )
    assert unknown("c1", "absent").line() == "c1: unknown (absent)"
