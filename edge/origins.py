"""Which web pages may open a connection; the browser tells us which one asks.

CORS does not cover WebSockets, so the edge has to look itself. A program that is no browser sends
no ``Origin`` and has to bring a token like everyone else.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of ``origin`` may connect.

    Args:
        origin: the ``Origin`` header.
        host: the ``Host`` header; a page that came from this host may connect.
        allowed: further origins such as ``https://app.example.com``; ``*`` allows all.
    """
    if origin is None or origin in allowed or "*" in allowed:
        return True
    try:
        parts = urlsplit(origin)
        name = parts.hostname
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and (name in _LOOPBACK or parts.netloc == host)
