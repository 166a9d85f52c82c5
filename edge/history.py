"""Readings of histories for many connections: gathered, pipelined, and patient with Redis.

When a thousand clients come back at once, each wants its history. Their readings share round
trips, and while Redis is away they wait here, in one place, instead of failing a thousand times.
"""

import asyncio
from collections import deque
from typing import Final

import structlog
from redis.exceptions import RedisError, ResponseError

from models.channels import Position
from models.delivery import Delivery, Reading

PAGE: Final = 100
"""Frames per reading; less than a socket's queue holds."""

_BATCH: Final = 50
"""Readings per round trip: up to 5,000 frames, so that no one waits long for the others."""

_RETRY_S: Final = 0.2
"""Pause between attempts while Redis is away."""

_Asked = tuple[int, Position | None, asyncio.Future[Reading]]

log = structlog.get_logger("edge.history")


class History:
    """Answers readings while :meth:`run` runs."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._asked: deque[_Asked] = deque()
        self._has_asked = asyncio.Event()

    async def read(self, user_id: int, after: Position | None) -> Reading:
        """The next page after a position; ``None`` asks for the head alone.

        Waits for Redis as long as its caller does.

        Raises:
            redis.ResponseError: Redis answers, and refuses this reading.
        """
        answer: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
        self._asked.append((user_id, after, answer))
        self._has_asked.set()
        return await answer

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self._has_asked.wait()
            batch = [self._asked.popleft() for _ in range(min(_BATCH, len(self._asked)))]
            if not self._asked:
                self._has_asked.clear()
            await self._answer(batch)

    async def _answer(self, batch: list[_Asked]) -> None:
        while batch := [asked for asked in batch if not asked[2].done()]:
            try:
                readings = await self._delivery.read(
                    [(user_id, after) for user_id, after, _ in batch], limit=PAGE
                )
            except ResponseError as error:
                if len(batch) == 1:
                    batch[0][2].set_exception(error)
                else:
                    for asked in batch:  # one bad key must not hold up the others
                        await self._answer([asked])
            except (RedisError, OSError) as error:
                log.warning("history unreadable", error=type(error).__name__, waiting=len(batch))
                await asyncio.sleep(_RETRY_S)
            else:
                for (_, _, answer), reading in zip(batch, readings, strict=True):
                    if not answer.done():
                        answer.set_result(reading)
