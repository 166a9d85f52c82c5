"""Midnight in California, when Google's daily quotas begin anew.

Source: https://developers.google.com/youtube/v3/getting-started#quota, read 2026-11-25.
"""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

PACIFIC: Final = ZoneInfo("America/Los_Angeles")


def seconds_to_midnight(now: datetime) -> float:
    """Seconds from an aware instant to the next Pacific midnight; above 0, at most 25 hours."""
    tomorrow = now.astimezone(PACIFIC).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, time.min, PACIFIC)
    return midnight.timestamp() - now.timestamp()
