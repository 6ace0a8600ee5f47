"""Nothing learnt overlaps what it is judged on."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ml.errors import TooFewSnapshots
from ml.labels import CHURN, LABELS, PURCHASE
from ml.split import LONG, WEEK, saturdays, snapshots_for, split_by_time

instants = some.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1), timezones=some.just(UTC))


@given(first=instants, weeks=some.integers(0, 80), label=some.sampled_from(list(LABELS.values())))
def test_a_label_ends_before_the_part_that_judges_it_begins(first, weeks, label):
    as_of = first + timedelta(days=90) + label.horizon + weeks * WEEK
    try:
        split = split_by_time(snapshots_for(label, first_event=first, as_of=as_of), label.horizon)
    except TooFewSnapshots:
        assert weeks < 3 + 2 * (label.horizon.days // 7 + 1)
        return
    if split.by_customers:  # a gap as long between them would leave nothing to train on
        assert label.horizon >= LONG
        assert split.train == split.validation == split.fitted
    else:
        assert label.known_at(max(split.train)) <= min(split.validation)
    assert label.known_at(max(split.validation)) <= split.holdout
    assert label.known_at(split.holdout) <= as_of
    assert first + timedelta(days=90) <= min(split.train)


@given(first=instants, span=some.timedeltas(timedelta(0), timedelta(days=60)))
def test_the_grid_is_every_saturday_midnight_and_nothing_else(first, span):
    last = first + span
    found = saturdays(first, last)
    assert all(first <= day <= last and day.isoweekday() == 6 for day in found)
    assert all((day.hour, day.minute, day.second, day.microsecond) == (0, 0, 0, 0) for day in found)
    hours = (
        first.replace(minute=0, second=0, microsecond=0) + timedelta(hours=n)
        for n in range(24 * 61 + 1)
    )
    midnights = {hour for hour in hours if hour.hour == 0 and hour.isoweekday() == 6}
    assert set(found) == {day for day in midnights if first <= day <= last}


def test_the_demo_year_is_judged_on_the_second_of_december():
    first, as_of = datetime(2017, 1, 1, 11, tzinfo=UTC), datetime(2018, 1, 2, tzinfo=UTC)
    split = split_by_time(snapshots_for(CHURN, first_event=first, as_of=as_of), CHURN.horizon)
    assert split.holdout == datetime(2017, 12, 2, tzinfo=UTC)
    assert split.validation[-1] == datetime(2017, 10, 28, tzinfo=UTC)
    assert split.train[0] == datetime(2017, 4, 8, tzinfo=UTC)


def test_a_short_history_is_refused_by_its_length():
    week = saturdays(datetime(2017, 4, 1, tzinfo=UTC), datetime(2017, 4, 20, tzinfo=UTC))
    with pytest.raises(TooFewSnapshots, match="3 weekly snapshots leave 0 to train on"):
        split_by_time(week, PURCHASE.horizon * 4)
    with pytest.raises(TooFewSnapshots, match="0 weekly snapshots"):
        split_by_time([], PURCHASE.horizon)
