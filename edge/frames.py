"""Text frames as a server writes them, ready for the socket.

A server does not mask its frames, so that the final bytes of one event are the same for every
socket that gets it: they are made once and shared.
"""

from functools import lru_cache

_FIN_TEXT = 0x81


@lru_cache(maxsize=16)  # an event goes to all its sockets in one go; few are under way at a time
def text_frame(text: str) -> bytes:
    """One unfragmented, unmasked text frame (RFC 6455, section 5.2)."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        header = bytes((_FIN_TEXT, size))
    elif size < 65536:
        header = bytes((_FIN_TEXT, 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((_FIN_TEXT, 127)) + size.to_bytes(8, "big")
    return header + payload
