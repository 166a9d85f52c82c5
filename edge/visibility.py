"""What of a user's past a token may still see.

Who gets an event is decided where it is written. By the time that it is read again, the user may
have lost a client or a role; the token of now says what is left. The rule is stated in
:class:`models.events.Event`.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from edge.auth import Identity
from models.events import Withheld

_ALL_CLIENTS: Final = "admin"
"""The role that is assigned to no client and serves all of them."""


def visible(frames: Sequence[bytes], identity: Identity) -> list[bytes]:
    """Past events as this identity may see them: each itself, or a ``withheld`` in its place."""
    return [_visible(frame, identity) for frame in frames]


def _visible(frame: bytes, identity: Identity) -> bytes:
    # Most events say neither, and are not parsed.
    if b'"client_id"' not in frame and b'"audience"' not in frame:
        return frame
    event = orjson.loads(frame)
    if _may_see(event, identity):
        return frame
    return Withheld(id=event["id"]).model_dump_json().encode()


def _may_see(event: dict[str, Any], identity: Identity) -> bool:
    client_id, audience = event.get("client_id"), event.get("audience")
    if isinstance(audience, list) and identity.roles.isdisjoint(map(str, audience)):
        return False
    return (
        client_id is None
        or identity.client_ids is None
        or client_id in identity.client_ids
        or _ALL_CLIENTS in identity.roles
    )
