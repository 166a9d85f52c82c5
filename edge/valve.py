"""Whether a socket takes more: an event without the deque that ``asyncio.Event`` keeps for waiters.

Nearly always open, and on one of 10,000 idle connections never waited for.
"""

import asyncio


class Valve:
    """Open at first; the names are those of ``asyncio.Event``."""

    __slots__ = ("_is_open", "_waiting")

    def __init__(self) -> None:
        self._is_open = True
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        """Whether it is open."""
        return self._is_open

    def clear(self) -> None:
        """Close it."""
        self._is_open = False

    def set(self) -> None:
        """Open it, and let everyone through who waits."""
        self._is_open = True
        waiting, self._waiting = self._waiting, ()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Wait until it is opened."""
        while not self._is_open:
            future = asyncio.get_running_loop().create_future()
            self._waiting = (*self._waiting, future)
            await future
