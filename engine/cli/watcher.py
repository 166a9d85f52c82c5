"""A browser's stand-in: a real WebSocket client that comes back and goes on where it was."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PING_EVERY_S = 30.0
RECONNECT_AFTER_S = 0.25


class Watcher:
    """Passes on every event of one user. Nothing is filtered: a double is passed on twice.

    Args:
        edge_url: ``ws://host:port``.
        token: whose events.
        on_event: called with each frame that has an id.
    """

    def __init__(
        self, edge_url: str, token: str, on_event: Callable[[dict[str, Any]], None]
    ) -> None:
        self._url = f"{edge_url}/ws?token={quote(token)}"
        self._on_event = on_event
        self._position: str | None = None
        self.connected = asyncio.Event()
        self.connections = 0

    async def run(self) -> None:
        """Listen until cancelled, through any number of lost connections."""
        while True:
            with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake):
                await self._listen()
            await asyncio.sleep(RECONNECT_AFTER_S)

    async def _listen(self) -> None:
        resume = "" if self._position is None else f"&resume={quote(self._position)}"
        async with connect(self._url + resume, proxy=None, open_timeout=5) as socket:
            pinging = asyncio.create_task(_ping(socket))
            try:
                async for text in socket:
                    self._take(json.loads(text))
            finally:
                pinging.cancel()

    def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("type") == "hello":
            self.connections += 1
            # What was missed follows the hello, so its position is ours only when we had none.
            if self._position is None or not frame["recovered"]:
                self._position = f"{frame['epoch']}-{frame['seq']}"
            self.connected.set()
        elif "id" in frame:
            self._position = frame["id"]
            self._on_event(frame)


async def _ping(socket: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await socket.send('{"type":"ping"}')
