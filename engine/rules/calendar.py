"""The two places whose clocks matter: Seoul, where people read times, and California.

Everything else is UTC.
"""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SEOUL: Final = ZoneInfo("Asia/Seoul")
PACIFIC: Final = ZoneInfo("America/Los_Angeles")


def korean_time(instant: datetime) -> str:
    """An aware instant as people in Seoul say it, such as ``11월 25일 오후 3시 05분``."""
    local = instant.astimezone(SEOUL)
    half = "오전" if local.hour < 12 else "오후"
    hour = local.hour % 12 or 12
    minute = f" {local.minute:02d}분" if local.minute else ""
    return f"{local.month}월 {local.day}일 {half} {hour}시{minute}"


def until_pacific_midnight(instant: datetime) -> timedelta:
    """How long until Google's quotas of a day are reset.

    Source: https://developers.google.com/youtube/v3/determine_quota_cost, read 2026-11-23.
    """
    tomorrow = (instant.astimezone(PACIFIC) + timedelta(days=1)).date()
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=PACIFIC)
    # By time stamps: a day on which clocks change has not 24 hours.
    return timedelta(seconds=midnight.timestamp() - instant.timestamp())
