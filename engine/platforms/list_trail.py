"""Where a list that is read page by page stands, and whether it runs in a circle.

A list's reader comes back with nothing but a cursor, so the cursor itself has to remember. It keeps
one earlier place, a later one each time the number of pages has doubled: in a circle of any length
the list comes by that place again (Brent's algorithm).

Source: R. P. Brent, "An improved Monte Carlo factorization algorithm", BIT 20 (1980), section 2.
"""

import hashlib
from typing import Final

from engine.errors import RetryLater

SIGN_LENGTH: Final = 16  # hex digits, enough that two cursors of one list never look the same


def place_of(trail: str | None) -> str | None:
    """The platform's own cursor in a trail; None at the beginning."""
    if trail is None:
        return None
    _, _, cursor = _read(trail)
    return cursor


def onward(trail: str | None, cursor: str | None) -> str | None:
    """The trail to the next page; None when there is none.

    Args:
        trail: what led to the page just read; None for the first.
        cursor: where the platform says that the next page begins.

    Raises:
        RetryLater: the platform leads back to where the list was before.
    """
    if cursor is None:
        return None
    pages, mark, _ = (0, "", "") if trail is None else _read(trail)
    sign = hashlib.sha256(cursor.encode("utf-8", "surrogatepass")).hexdigest()[:SIGN_LENGTH]
    if sign == mark:
        raise RetryLater("the platform answered with a list in a circle", code="unreadable")
    pages += 1
    if pages & (pages - 1) == 0:  # a power of two
        mark = sign
    return f"{pages}:{mark}:{cursor}"


def _read(trail: str) -> tuple[int, str, str]:
    pages, mark, cursor = trail.split(":", 2)
    return int(pages), mark, cursor
