from datetime import UTC, date, datetime, time, timedelta

import pytest

from engine.rules.calendar import bounds_of
from engine.rules.pacific import PACIFIC, day_covering_most, seconds_to_midnight


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-11-25T07:00:00+00:00", 1),  # winter: midnight is at 08:00 UTC
        ("2026-11-25T17:00:00+09:00", 24),  # just past it
        ("2026-07-01T06:00:00+00:00", 1),  # summer: 07:00 UTC
        ("2026-03-08T08:00:00+00:00", 23),  # the day on which clocks go forward
        ("2026-11-01T07:00:00+00:00", 25),  # and back
    ],
)
def test_the_quota_begins_anew_at_midnight_in_california(now, hours):
    assert seconds_to_midnight(datetime.fromisoformat(now)) == hours * 3600


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 11, 26), 17), (date(2026, 7, 1), 16), (date(2026, 3, 8), 17)]
)
def test_pacific_day_that_covers_most_of_seouls_is_the_one_before(day: date, hours: int) -> None:
    start, end = bounds_of(day)
    found = day_covering_most(start, end)
    assert found == day - timedelta(days=1)
    pacific_end = datetime.combine(day, time.min, PACIFIC).astimezone(UTC)
    assert pacific_end - start.astimezone(UTC) == timedelta(hours=hours)
