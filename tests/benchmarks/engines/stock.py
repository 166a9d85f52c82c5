"""dramatiq's own Redis broker with its default settings, plus AsyncIO."""

import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

from tests.benchmarks.engines import scoreboard

WORKER = ("dramatiq", f"{__name__}:broker", "--processes", "1", "--threads", "8")

broker = RedisBroker(url=f"{scoreboard.URL}/0")
broker.add_middleware(AsyncIO())


@dramatiq.actor(broker=broker)
def pick_up(sent_at: float) -> None:
    scoreboard.picked_up(sent_at)


@dramatiq.actor(broker=broker)
def noop(number: int) -> None:
    scoreboard.ran()


@dramatiq.actor(broker=broker)
async def noop_async(number: int) -> None:
    scoreboard.ran()


@dramatiq.actor(broker=broker)
def hang() -> None:
    if scoreboard.hung("dramatiq"):
        time.sleep(600)


def send(task: str, *args: Any) -> None:
    broker.actors[task].send(*args)
