from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from engine.daemon import at, every
from engine.services.ticking import latest_planned

HOUR = timedelta(hours=1)


def test_replicas_plan_the_same_instants_whenever_they_start() -> None:
    now = datetime(2026, 11, 23, 9, 0, 42, tzinfo=UTC)
    planned = {
        latest_planned(every(60), now + timedelta(milliseconds=n), within=HOUR)
        for n in range(0, 18_000, 500)
    }
    assert planned == {datetime(2026, 11, 23, 9, 0, tzinfo=UTC)}


def test_of_several_missed_times_only_the_latest_is_made_up_for() -> None:
    now = datetime(2026, 11, 23, 9, 10, 30, tzinfo=UTC)
    assert latest_planned(every(60), now, within=HOUR) == datetime(2026, 11, 23, 9, 10, tzinfo=UTC)


@pytest.mark.parametrize(("late_h", "expected"), [(5.9, True), (6.1, False)])
def test_the_daily_job_is_made_up_for_within_six_hours_only(late_h: float, expected: bool) -> None:
    eight_in_seoul = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    now = eight_in_seoul + timedelta(hours=late_h)
    planned = latest_planned(at("08:00"), now, within=timedelta(hours=6))
    assert planned == (eight_in_seoul if expected else None)


def test_a_time_that_daylight_saving_skips_or_repeats_fires_once_that_day() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    trigger = at("02:30", berlin)
    for year, month, day in ((2026, 3, 29), (2026, 10, 25)):
        start = datetime(year, month, day, tzinfo=berlin).astimezone(UTC)
        end = (datetime(year, month, day, 12, tzinfo=berlin)).astimezone(UTC)
        seen = set()
        now = start
        while now < end:
            planned = latest_planned(trigger, now, within=timedelta(hours=3))
            if planned is not None and planned >= start:
                seen.add(planned.astimezone(UTC))
            now += timedelta(minutes=10)
        assert len(seen) == 1, (month, seen)
