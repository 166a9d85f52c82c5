"""California's days, by which Google's quotas begin anew and some platforms count.

Source: https://developers.google.com/youtube/v3/getting-started#quota, read 2026-11-25.
"""

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PACIFIC: Final = ZoneInfo("America/Los_Angeles")


def seconds_to_midnight(now: datetime) -> float:
    """Seconds from an aware instant to the next Pacific midnight; above 0, at most 25 hours."""
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, time.min, PACIFIC)
    return midnight.timestamp() - now.timestamp()


def day_covering_most(start: datetime, end: datetime) -> date:
    """The Pacific day that covers most of a day elsewhere.

    A day of Asia/Seoul shares 16 or 17 hours with the Pacific day of the date before, and only the
    rest with that of its own date.
    """
    return (start + (end - start) / 2).astimezone(PACIFIC).date()
