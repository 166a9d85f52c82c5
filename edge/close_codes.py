"""Why a connection ends; the browser's client keeps the same table.

The code tells the client what to do next, so it must be the truth: a refused upgrade would reach
a browser as 1006, which says nothing. Connections are therefore accepted first, then closed.
"""

from enum import IntEnum
from types import MappingProxyType
from typing import Final


class CloseCode(IntEnum):
    """Close codes of the edge, grouped by what the client does."""

    # Refreshes its token once and reconnects; twice in a row means sign in again.
    TOKEN_INVALID = 4001

    # Stops.
    REFUSED = 4003
    TOO_MANY_CONNECTIONS = 4004
    AUTH_TIMEOUT = 4008
    REVOKED = 4010

    # Backs off, then resumes.
    TOO_SLOW = 4101
    TOO_MANY_FRAMES = 4102
    TRY_LATER = 1013

    # Reconnects at once, with jitter, and resumes.
    DRAINING = 4200
    SILENT = 4201
    HISTORY_LOST = 4202

    # Has a fault to mend.
    BINARY_FRAME = 1003
    MALFORMED = 1007
    TOO_BIG = 1009


REASONS: Final = MappingProxyType(
    {
        CloseCode.TOKEN_INVALID: "token expired or invalid",
        CloseCode.REFUSED: "origin or role refused",
        CloseCode.TOO_MANY_CONNECTIONS: "too many connections of this user",
        CloseCode.AUTH_TIMEOUT: "no auth frame in time",
        CloseCode.REVOKED: "revoked or logged out",
        CloseCode.TOO_SLOW: "reading too slowly",
        CloseCode.TOO_MANY_FRAMES: "too many frames",
        CloseCode.TRY_LATER: "not available now",
        CloseCode.DRAINING: "draining",
        CloseCode.SILENT: "silent for too long",
        CloseCode.HISTORY_LOST: "history lost",
        CloseCode.BINARY_FRAME: "binary frames are not used",
        CloseCode.MALFORMED: "not a known JSON frame",
        CloseCode.TOO_BIG: "frame too big",
    }
)
"""The reason sent beside each code: for a person who reads a log, not for programs."""

RETRY_MS: Final = MappingProxyType(
    dict.fromkeys(CloseCode, 60_000)
    | dict.fromkeys(
        (
            CloseCode.TOKEN_INVALID,
            CloseCode.TOO_SLOW,
            CloseCode.TOO_MANY_FRAMES,
            CloseCode.TRY_LATER,
        ),
        5_000,
    )
    | dict.fromkeys((CloseCode.DRAINING, CloseCode.SILENT, CloseCode.HISTORY_LOST), 500)
)
"""When an ``EventSource`` that does not know the codes comes back by itself. It cannot be told to
stop, so where a client should, this is long."""
