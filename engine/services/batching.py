"""Group commit: calls that arrive while a batch is on its way form the next batch.

Two hundred posts due in one second are then a few transactions instead of two hundred, and a
single one waits for nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Turns many concurrent :meth:`submit` calls into few calls of ``commit``.

    Args:
        commit: takes n items, gives n results in the same order; one call at a time. What it
            raises, every waiting caller of that batch gets.
        limit: most items in one batch.
    """

    def __init__(
        self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, limit: int = 100
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> R:
        """Have ``item`` committed; gives its result once its whole batch is."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        # One turn of the loop, so that callers woken by the same timer share the first batch.
        await asyncio.sleep(0)
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                try:
                    results = await self._commit([item for item, _ in batch])
                except BaseException as error:  # it is the callers' to handle
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    for (_, future), result in zip(batch, results, strict=True):
                        if not future.done():
                            future.set_result(result)
        finally:
            self._running = None
