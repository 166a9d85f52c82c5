"""Every name in Redis that processes share, and the form of an event's id.

The braces are literal: they put all keys of one user into one slot of a Redis Cluster, which the
delivery script needs.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

NOTIFICATIONS: Final = "pubsub:notifications"
"""Open to any program: ``{"user_id": …, "type": …, …}``, kept if it carries an ``event_id``."""

REVOCATIONS: Final = "pubsub:revocations"
"""What :mod:`models.revocation` tells every edge at once."""

EDGES: Final = "edges:alive"
"""Sorted set of the ids of running edges, scored by the last sign of life in milliseconds."""

_ROLE_PREFIX: Final = "pubsub:role:"

# The epoch is made by delivery.lua. Numbers stay below 2**53, so that JavaScript holds them.
_EVENT_ID: Final = re.compile(r"([0-9a-f]{20})-(0|[1-9][0-9]{0,14})", re.ASCII)
_LIVE: Final = re.compile(r"\{u:([1-9][0-9]{0,18})\}:live", re.ASCII)


class EventIdMalformed(ValueError):
    """Not an event id; whatever it was, no position can be read from it."""


class Position(NamedTuple):
    """A place in one user's history: everything up to and including ``seq`` has been seen.

    An epoch names one unbroken history; a number means nothing in another epoch.
    """

    epoch: str
    seq: int


def stream(user_id: int) -> str:
    """Stream of a user's latest events."""
    return f"{{u:{user_id}}}:stream"


def meta(user_id: int) -> str:
    """Hash with the epoch and the sequence of a user's stream."""
    return f"{{u:{user_id}}}:meta"


def seen(user_id: int) -> str:
    """Sorted set of the ids of the events in a user's stream, scored by sequence."""
    return f"{{u:{user_id}}}:seen"


def live(user_id: int) -> str:
    """Channel that carries a user's frames as they happen."""
    return f"{{u:{user_id}}}:live"


@lru_cache(maxsize=16_384)  # asked for every event, by a process with so many users at a time
def user_of_live(channel: str) -> int | None:
    """The user whose live channel this is; ``None`` for any other channel."""
    match = _LIVE.fullmatch(channel)
    return int(match[1]) if match else None


def role(name: str) -> str:
    """Channel open to any program: live frames for every connected user of a role."""
    return f"{_ROLE_PREFIX}{name}"


def role_of(channel: str) -> str | None:
    """The role whose channel this is; ``None`` for any other channel."""
    return channel.removeprefix(_ROLE_PREFIX) if channel.startswith(_ROLE_PREFIX) else None


def online(user_id: int) -> str:
    """Exists while a user has a connection to any edge."""
    return f"online:{user_id}"


def revoked_user(user_id: int) -> str:
    """Unix seconds: a user's tokens issued up to then are revoked."""
    return f"revoked:user:{user_id}"


def revoked_token(token_id: str) -> str:
    """Exists while a token is revoked; ``token_id`` is its ``jti``."""
    return f"revoked:token:{token_id}"


def unread(user_id: int) -> str:
    """How many notifications a user has not read; missing while nobody has counted.

    Without the braces of the other keys, because other programs know it by this name: of all
    keys of a user it alone may lie in another slot of a Redis Cluster.
    """
    return f"notif:unread:{user_id}"


def figures(account_id: int) -> str:
    """JSON: an account's current figures; missing until somebody reads them from PostgreSQL."""
    return f"figures:{account_id}"


def encode_event_id(position: Position) -> str:
    """``<epoch>-<seq>``, as the browser sees and returns it."""
    return f"{position.epoch}-{position.seq}"


def decode_event_id(text: str) -> Position:
    """Read an event id; only the exact form that :func:`encode_event_id` writes is taken.

    Raises:
        EventIdMalformed: the text has another form.
    """
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise EventIdMalformed("an event id is <epoch>-<seq>")
    return Position(match[1], int(match[2]))
