"""What the insights of Meta's three products share: how an answer holds its numbers.

Sources, read 2026-11-23: https://developers.facebook.com/docs/instagram-platform/insights,
https://developers.facebook.com/docs/graph-api/reference/insights,
https://developers.facebook.com/docs/threads/insights.
"""

from collections.abc import Mapping
from typing import Any

from engine.platforms.graph import unreadable


def numbers_of(value: Mapping[str, Any]) -> dict[str, float | None]:
    """Each metric's number in an answer; one with an empty list has none.

    Raises:
        RetryLater: the answer is no list of metrics.
    """
    rows = value.get("data")
    if not isinstance(rows, list):
        raise unreadable("insights without data")
    try:
        return {str(row["name"]): _number_of(row) for row in rows}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise unreadable("insights that cannot be read") from None


def _number_of(row: Mapping[str, Any]) -> float | None:
    """A metric's number: the one of its period, or of its links together."""
    if "total_value" in row:
        return number(row["total_value"].get("value"))
    if "link_total_values" in row:
        return total([number(link.get("value")) for link in row["link_total_values"]])
    return total([number(one.get("value")) for one in row.get("values", [])])


def number(given: Any) -> float | None:
    """A finite number, or None."""
    if given is None or isinstance(given, bool):
        return None
    return float(given) if not isinstance(given, int) else given


def total(values: list[float | None]) -> float | None:
    """The sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
