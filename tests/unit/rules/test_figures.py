from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.figures import (
    Denominator,
    change_of,
    days_of,
    deltas,
    engagement_rate,
    interactions_of,
    merged,
    totals_of,
)

START = date(2026, 11, 1)


def day(number: int) -> date:
    return START + timedelta(days=number)


@pytest.mark.parametrize(
    ("values", "rate", "by"),
    [
        ({"interactions": 5, "reach": 100, "views": 200, "followers": 50}, 0.05, "reach"),
        ({"interactions": 5, "reach": None, "views": 200, "followers": 50}, 0.025, "views"),
        ({"interactions": 5, "views": 200, "followers": 50}, 0.025, "views"),
        ({"interactions": 5, "followers": 50}, 0.1, "followers"),
        ({"interactions": 0, "reach": 100}, 0.0, "reach"),
        ({"likes": 3, "comments": 1, "shares": None, "reach": 100}, 0.04, "reach"),
        ({"interactions": 5, "reach": 0, "views": 10}, 0.5, "views"),
    ],
)
def test_engagement_rate_says_what_it_was_divided_by(values, rate, by):
    found = engagement_rate([values])
    assert found is not None
    assert found.value == pytest.approx(rate)
    assert found.by is Denominator(by)


@pytest.mark.parametrize(
    "readings", [[], [{}], [{"interactions": 5}], [{"reach": 100}], [{"likes": 1, "reach": 0}]]
)
def test_nothing_to_divide_is_no_rate_and_not_zero(readings):
    assert engagement_rate(readings) is None


def test_large_day_weighs_more_than_a_small_one():
    rate = engagement_rate(
        [{"interactions": 90, "reach": 900}, {"interactions": 0, "reach": 100}, {"reach": 5}]
    )
    assert rate is not None
    assert (rate.value, rate.readings) == (0.09, 2)


def test_interactions_are_the_platforms_own_or_the_sum_of_their_parts():
    assert interactions_of({"interactions": 7, "likes": 99}) == 7
    assert interactions_of({"interactions": None, "likes": 3, "quotes": 2}) == 5
    assert interactions_of({"views": 10, "likes": None}) is None


def test_gain_is_the_difference_and_a_missing_day_is_null():
    found = deltas({day(0): 10, day(1): 14, day(3): 20}, start=day(0), end=day(4))
    assert [one.gained for one in found] == [None, 4, None, 6, None]
    assert [one.days for one in found] == [1, 1, 1, 2, 1]


def test_correction_downward_is_shown_as_one():
    found = deltas({day(0): 10, day(1): 7, day(2): 9}, start=day(1), end=day(2))
    assert [(one.gained, one.correction) for one in found] == [(0, -3), (2, 0)]


def test_counter_of_a_new_post_began_at_zero():
    [first] = deltas({day(0): 12}, start=day(0), end=day(0), baseline=0)
    assert first.gained == 12


def test_null_reading_is_no_reading():
    found = deltas({day(0): 10, day(1): None, day(2): 15}, start=day(0), end=day(2))
    assert [one.gained for one in found] == [None, None, 5]


@given(
    st.dictionaries(
        st.integers(0, 20), st.one_of(st.none(), st.integers(0, 10_000)), min_size=1, max_size=20
    ),
    st.integers(0, 10_000),
)
def test_gains_and_corrections_add_up_to_the_last_reading_less_the_first(readings, baseline):
    known = [value for _, value in sorted(readings.items()) if value is not None]
    found = deltas(
        {day(number): value for number, value in readings.items()},
        start=day(0),
        end=day(20),
        baseline=baseline,
    )
    assert len(found) == 21
    total = sum((one.gained or 0) + one.correction for one in found)
    assert total == (known[-1] - baseline if known else 0)
    for one in found:
        number = (one.day - START).days
        assert (one.gained is None) == (readings.get(number) is None)
        assert one.gained is None or one.gained >= 0
        assert one.correction <= 0


@given(st.lists(st.dictionaries(st.sampled_from(["likes", "views"]), st.integers(0, 99))))
def test_total_of_a_period_is_the_sum_of_its_known_days(readings):
    totals = totals_of(readings)
    for name in ("likes", "views"):
        known = [values[name] for values in readings if name in values]
        assert totals[name] == (sum(known) if known else None)
    assert totals["saves"] is None


def test_change_without_something_to_divide_by_has_no_share():
    assert change_of(5, 4).share == 0.25
    assert change_of(5, 0) == change_of(5, 0.0)
    assert change_of(5, 0).difference == 5
    assert change_of(5, 0).share is None
    assert change_of(None, 4).difference is None
    assert change_of(4, None).difference is None


def test_later_reading_wins_and_levels_it_does_not_tell_stay():
    old = {"followers": 9, "reach": 1, "views": 3}
    assert merged(old, {"reach": 2}, keep=["followers"]) == {"followers": 9, "reach": 2}
    assert merged(old, {"views": None, "likes": None}, keep=[]) == {"views": 3, "likes": None}


def test_days_of_a_period_are_inclusive():
    assert days_of(day(0), day(2)) == [day(0), day(1), day(2)]
