"""A taste of the fuzzer in tests/events/fuzz_decoder.py."""

import pytest
from hypothesis import given, settings

from tests.events.fuzz_decoder import RECORDS, changed_records, check


@pytest.mark.parametrize("record", RECORDS[::10])
def test_golden_records_pass_the_fuzzers_check(record: bytes) -> None:
    check(record)


@settings(max_examples=400, deadline=None)
@given(changed_records())
def test_a_changed_record_is_an_event_or_set_aside(value: bytes) -> None:
    check(value)
