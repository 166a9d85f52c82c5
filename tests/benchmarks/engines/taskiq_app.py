"""taskiq on Redis: its list broker, the faster one; its stream broker for taking over.

A list keeps no copy of what a worker has taken, so only the stream broker takes over at all.
"""

import asyncio
import os
import time
from typing import Any

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from tests.benchmarks.engines import scoreboard

WORKER = (
    *("taskiq", "worker", f"{__name__}:broker", "--workers", "1"),
    *("--max-threadpool-threads", "8", "--log-level", "WARNING"),
)
KIND = os.environ.get("BENCH_TASKIQ_BROKER", "list")

broker: ListQueueBroker | RedisStreamBroker
if KIND == "stream":
    broker = RedisStreamBroker(url=f"{scoreboard.URL}/0", consumer_id="0", socket_timeout=None)
else:
    broker = ListQueueBroker(url=f"{scoreboard.URL}/0", socket_timeout=None)
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
    async def kick() -> None:
        found = broker.find_task(task)
        assert found is not None
        await found.kiq(*args)

    loop.run(kick())
