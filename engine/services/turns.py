"""Turns at work that many want, shared fairly between clients.

Each client has a queue of its own, and a free place goes to the client that had the fewest turns
for its weight. So the page of a client with one new comment waits for the pages that are being
read, and never for another client's ten thousand.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Queue:
    """One client's; ``used`` is its turns by its weight, measured from the one that had least."""

    used: float
    waiting: deque[tuple[float, asyncio.Future[None]]] = field(default_factory=deque)


class Turns:
    """So many places, given out by weighted round robin.

    Args:
        places: turns at once.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._queues: dict[int, _Queue] = {}
        self._level = 0.0  # of the client that was served last; newcomers begin here

    @asynccontextmanager
    async def turn(self, client_id: int, weight: int = 1) -> AsyncIterator[None]:
        """One turn; waits until it is this client's. A weight of 2 has two for another's one."""
        await self._enter(client_id, 1.0 / max(weight, 1))
        try:
            yield
        finally:
            self._free += 1
            self._give_out()

    async def _enter(self, client_id: int, cost: float) -> None:
        queue = self._queues.get(client_id)
        if queue is None:
            queue = self._queues[client_id] = _Queue(self._level)
        elif not queue.waiting:
            queue.used = max(queue.used, self._level)  # what it did not use is not saved up
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.waiting.append((cost, future))
        self._give_out()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._free += 1  # it was given out in the moment of the cancellation
                self._give_out()
            raise

    def _give_out(self) -> None:
        while self._free:
            waiting = [(queue.used, id_) for id_, queue in self._queues.items() if queue.waiting]
            if not waiting:
                self._queues = {
                    id_: queue for id_, queue in self._queues.items() if queue.used > self._level
                }
                return
            used, id_ = min(waiting)
            queue = self._queues[id_]
            cost, future = queue.waiting.popleft()
            if future.done():  # cancelled while it waited
                continue
            self._level = used
            queue.used += cost
            self._free -= 1
            future.set_result(None)
