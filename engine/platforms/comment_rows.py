"""What the platforms' lists of comments have in common: rows that may hold anything.

One row that cannot be understood must not cost the page. It is left out and named in the log; a
page of which nothing at all can be understood is no page.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import structlog

from engine.errors import RetryLater

log = structlog.get_logger(__name__)

# What reading a row of the wrong shape raises; the last, a time at the end of the calendar.
MISREAD: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
COUNT_LIMIT: Final = 2**31  # what the tables hold; a larger number is a fault, not a count

T = TypeVar("T")


def understood(rows: Iterable[Any], read: Callable[[Any], T], *, what: str) -> list[T]:
    """What can be read of some rows, in their order.

    Args:
        rows: as the platform gave them.
        read: makes something of one; raises one of ``MISREAD`` when it cannot.
        what: a row's name for the log, such as ``"instagram comment"``.

    Raises:
        RetryLater: there are rows, and not one of them can be read.
    """
    found, misread = [], 0
    for row in rows:
        try:
            found.append(read(row))
        except MISREAD as error:
            misread += 1
            log.warning(
                "a row that cannot be understood was left out",
                what=what,
                id=_printable_id(row),
                failure=type(error).__name__,
            )
    if misread and not found:
        raise RetryLater(
            f"the platform answered with no {what} that can be understood", code="unreadable"
        )
    return found


def id_in(value: Any) -> str:
    """A platform's id, which is text, or a number that stands for one.

    Raises:
        TypeError: it is something else.
        ValueError: it is empty, or cannot be stored.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("an id is text")
    text = str(value)
    if not text or "\0" in text:
        raise ValueError("no id")
    text.encode()  # half a surrogate pair cannot be stored, nor asked for
    return text


def text_in(value: Any) -> str:
    """A comment's text as it came; one without any, such as a sticker's, is empty."""
    return value if isinstance(value, str) else ""


def name_in(value: Any) -> str | None:
    """An author's id or name; None where the platform names nobody."""
    return str(value) if isinstance(value, str | int) and str(value) else None


def count_in(value: Any) -> int | None:
    """A count, as a number or in digits; None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        count = int(value)
    except ValueError:
        return None
    return count if 0 <= count < COUNT_LIMIT else None


def _printable_id(row: Any) -> str:
    return ascii(row.get("id"))[:100] if isinstance(row, dict) else type(row).__name__
