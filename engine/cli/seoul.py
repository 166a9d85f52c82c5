"""Times as a person in Seoul reads them; everywhere else they are UTC."""

from datetime import datetime

from engine.rules.calendar import SEOUL as SEOUL


def clock(when: datetime) -> str:
    """``14:05:09``."""
    return when.astimezone(SEOUL).strftime("%H:%M:%S")


def precise_clock(when: datetime) -> str:
    """``14:05:09.120``."""
    return when.astimezone(SEOUL).strftime("%H:%M:%S.%f")[:-3]


def day_and_clock(when: datetime | None) -> str:
    """``2026-03-01 14:05:09.120``; a dash when there is no time."""
    if when is None:
        return "–"
    return f"{when.astimezone(SEOUL):%Y-%m-%d} {precise_clock(when)}"
