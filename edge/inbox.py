"""What a client has sent and its task has not taken yet.

``asyncio.Queue`` serves many readers and counts unfinished work, at 2 KiB for each idle connection;
a connection has one reader and nothing to count.
"""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue of one reader, with the names of ``asyncio.Queue``."""

    __slots__ = ("_messages", "_reader")

    def __init__(self) -> None:
        self._messages: list[T] = []  # a few at most: the server stops reading after one
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, message: T) -> None:
        """Add a message."""
        self._messages.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> T:
        """Wait for the next message."""
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._messages.pop(0)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._messages
