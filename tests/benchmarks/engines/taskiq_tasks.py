"""The tasks for either of taskiq's Redis brokers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from taskiq import AsyncBroker

from tests.benchmarks.engines import scoreboard


def worker(module: str) -> tuple[str, ...]:
    options = ("--workers", "1", "--max-threadpool-threads", "8", "--log-level", "WARNING")
    return ("taskiq", "worker", f"{module}:broker", *options)


def declare(broker: AsyncBroker) -> Callable[..., None]:
    """Declare the tasks; returns what sends to them."""
    loop = asyncio.Runner()

    @broker.task(task_name="pick_up")
    async def pick_up(sent_at: float) -> None:
        scoreboard.picked_up(sent_at)

    @broker.task(task_name="noop")
    def noop(number: int) -> None:
        scoreboard.ran()

    @broker.task(task_name="noop_async")
    async def noop_async(number: int) -> None:
        scoreboard.ran()

    @broker.task(task_name="hang")
    def hang() -> None:
        if scoreboard.hung("taskiq"):
            time.sleep(600)

    def send(task: str, *args: Any) -> None:
        found = broker.find_task(task)
        assert found is not None
        loop.run(found.kiq(*args))

    return send
