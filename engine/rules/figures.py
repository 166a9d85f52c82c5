"""What figures mean: one engagement rate, differences of counters, periods held against each other.

``docs/figures.md`` says it to people. Null is "not known" throughout, and never becomes 0: a day
without a reading has no gain, and a sum of nothing known is null.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

Values = Mapping[str, float | None]

INTERACTION_PARTS: Final = (
    "likes",
    "comments",
    "replies",
    "shares",
    "saves",
    "reposts",
    "quotes",
)
SUMMED: Final = (
    "views",
    "reach",
    "interactions",
    *INTERACTION_PARTS,
    "clicks",
    "profile_visits",
    "follows_gained",
    "follows_lost",
    "watch_time_s",
)
"""Figures of an account's day that may be added up over days; the others are levels or averages."""

CUMULATIVE_OF_ACCOUNT: Final = frozenset({"followers"})
"""Levels, which a later reading of a past day does not give again."""


class Denominator(StrEnum):
    """What interactions were divided by; in the order in which they are tried."""

    REACH = "reach"
    VIEWS = "views"
    FOLLOWERS = "followers"


@dataclass(frozen=True, slots=True)
class Rate:
    """Interactions by ``by``, over so many readings that know both. 0.05 is 5 %."""

    value: float
    by: Denominator
    readings: int


@dataclass(frozen=True, slots=True)
class Delta:
    """What one day added to a counter.

    Attributes:
        day: whose.
        gained: 0 or more; None when nobody knows, for want of a reading of it or before it.
        correction: below 0 when the platform took something back, else 0.
        days: how many days the difference covers: more than 1 after days without a reading.
    """

    day: date
    gained: float | None
    correction: float = 0.0
    days: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """A period against the one before it.

    Attributes:
        difference: None unless both are known.
        share: of the earlier value, 0.1 is 10 % more; None when that was 0 or is not known.
    """

    difference: float | None
    share: float | None


def interactions_of(values: Values) -> float | None:
    """The platform's own total, or the sum of the parts that are known; None when nothing is."""
    total = values.get("interactions")
    if total is not None:
        return total
    return known_sum(values.get(name) for name in INTERACTION_PARTS)


def engagement_rate(readings: Sequence[Values]) -> Rate | None:
    """Interactions by reach; where no reach is known by views, else by followers.

    The sum of interactions by the sum of the denominator, over the readings that know both: a
    large day weighs more than a small one. None when there is nothing to divide, or by.

    Args:
        readings: one of a post, or a period's days.
    """
    for by in Denominator:
        pairs = [
            (interactions, below)
            for values in readings
            if (interactions := interactions_of(values)) is not None
            and (below := values.get(by)) is not None
        ]
        below_all = sum(below for _, below in pairs)
        if below_all > 0:
            return Rate(sum(above for above, _ in pairs) / below_all, by, len(pairs))
    return None


def deltas(
    readings: Mapping[date, float | None], *, start: date, end: date, baseline: float | None = None
) -> list[Delta]:
    """What each day from ``start`` to ``end`` added to a counter, oldest first.

    What is gained and what is corrected add up to the last reading less the first, whatever days
    are missing in between.

    Args:
        readings: the counter at the end of days; days before ``start`` count as earlier readings.
        start: the first day.
        end: the last one, inclusive.
        baseline: what it was before its first reading: 0 for a post that went live on that day.
    """
    earlier = [day for day, value in readings.items() if day < start and value is not None]
    last_day = max(earlier, default=None)
    last = baseline if last_day is None else readings[last_day]
    found = []
    for day in days_of(start, end):
        value = readings.get(day)
        if value is None or last is None:
            found.append(Delta(day, None))
        else:
            difference = value - last
            covered = 1 if last_day is None else (day - last_day).days
            found.append(Delta(day, max(0, difference), min(0, difference), covered))
        if value is not None:
            last, last_day = value, day
    return found


def days_of(start: date, end: date) -> list[date]:
    """Every day from ``start`` to ``end``, both inclusive."""
    return [start + timedelta(days=place) for place in range((end - start).days + 1)]


def known_sum(values: Iterable[float | None]) -> float | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def totals_of(days: Sequence[Values]) -> dict[str, float | None]:
    """A period's sums by name; ``interactions`` by their one definition.

    ``reach`` is a sum of daily reaches: somebody who was reached on two days counts twice.
    """
    totals = {name: known_sum(values.get(name) for values in days) for name in SUMMED}
    totals["interactions"] = known_sum(interactions_of(values) for values in days)
    return totals


def change_of(now: float | None, before: float | None) -> Change:
    """How a value differs from an earlier one."""
    if now is None or before is None:
        return Change(None, None)
    return Change(now - before, (now - before) / before if before else None)


def merged(
    old: Mapping[str, Any], new: Mapping[str, Any], *, keep: Iterable[str]
) -> dict[str, Any]:
    """A later reading in place of an earlier one of the same day.

    A number wins over the earlier one. No data does not: an empty answer is no correction.

    Args:
        old: what was known of the day.
        new: what is known now.
        keep: names that stay as they were when the new reading lacks them altogether.
    """
    kept = {name: old[name] for name in keep if name in old}
    told = {name: old.get(name) if value is None else value for name, value in new.items()}
    return {**kept, **told}
