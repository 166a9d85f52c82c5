"""Asia/Seoul, where people read times; everything else is UTC."""

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

SEOUL: Final = ZoneInfo("Asia/Seoul")


def korean_time(instant: datetime) -> str:
    """An aware instant as people in Seoul say it, such as ``11월 25일 오후 3시 05분``."""
    local = instant.astimezone(SEOUL)
    half = "오전" if local.hour < 12 else "오후"
    hour = local.hour % 12 or 12
    minute = f" {local.minute:02d}분" if local.minute else ""
    return f"{local.month}월 {local.day}일 {half} {hour}시{minute}"


def day_of(instant: datetime) -> date:
    """The day of Asia/Seoul that an aware instant falls on."""
    return instant.astimezone(SEOUL).date()


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """Where a day of Asia/Seoul begins, and where the next one does; aware."""
    return (
        datetime.combine(day, time.min, SEOUL),
        datetime.combine(day + timedelta(days=1), time.min, SEOUL),
    )
