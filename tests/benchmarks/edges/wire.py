"""What producer and clients of the edge benchmark agree on."""

import time
from typing import Any, Final

import orjson

SOCKETS_PER_USER: Final = 2

FRAME_BYTES: Final = 250
"""Size of an event as a browser gets it."""

_TEXT: Final = "The comment count of this post has risen within the last hour, please take a look. "
_PADDING: Final = (_TEXT * 4)[:250]


def frame(number: int, *, overhead: int) -> dict[str, Any]:
    """An event without its time, to be completed by :func:`stamp`.

    Args:
        number: which one.
        overhead: bytes that are added or taken away on the way.
    """
    base = {
        "type": "new_comment",
        "v": 1,
        "ts": "2026-03-02T03:00:00.000Z",
        "comment_id": number,
        "message": "",
        "platform": "instagram",
        "sentiment": None,
        "t": 0,
    }
    size = len(orjson.dumps(stamp(base)))
    base["message"] = _PADDING[: FRAME_BYTES - size - overhead]
    return base


def stamp(frame: dict[str, Any]) -> dict[str, Any]:
    """Put the time of now at the very end, where a reader finds it without parsing."""
    frame["t"] = time.monotonic_ns()  # the same clock in all processes of one machine
    return frame


def stamped_at(payload: bytes) -> int:
    """When an event was published, in nanoseconds."""
    return int(payload[payload.rindex(b":") + 1 : -1])
