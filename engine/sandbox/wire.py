"""The bare connection under a request: when its first byte came, and how to cut it.

ASGI hides both. An application starts only after the head is parsed and the event loop gets round
to it, and it can end a request only by answering; a platform that dies does neither.
"""

import asyncio
import socket
import struct
import time
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "sandbox.wire"
LINGER_ZERO = struct.pack("ii", 1, 0)  # close() then sends RST and drops what is unsent


class Wire:
    """One request's hold on its connection."""

    __slots__ = ("_transport", "arrived_at")

    def __init__(self, transport: asyncio.Transport, arrived_at: float) -> None:
        self._transport = transport
        self.arrived_at = arrived_at

    def close(self) -> None:
        """End the connection in good order (FIN), after what was already written."""
        self._transport.close()

    def reset(self) -> None:
        """Break the connection (RST)."""
        connection: Any = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._transport.abort()


class WireProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which also notes when each request's first byte was read."""

    def on_message_begin(self) -> None:
        """Stamp the arrival; called by the parser on the first byte of a request."""
        arrived_at = time.time()
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"wire": Wire(self.transport, arrived_at)}}


def wire_of(scope: Scope) -> Wire:
    """The connection under an ASGI request that came through :class:`WireProtocol`."""
    wire: Wire = scope["extensions"][EXTENSION]["wire"]
    return wire
