"""The engine's own broker, as in production but for the namespace."""

import time
from typing import Any

from engine.brokers import Tiers, connect
from tests.benchmarks.engines import scoreboard

WORKER = ("dramatiq", f"{__name__}:broker", "--processes", "1", "--threads", "8")

tiers = Tiers(connect=lambda: connect(f"{scoreboard.URL}/0"), namespace="{bench}")
broker = tiers["critical"]


@broker.actor
def pick_up(sent_at: float) -> None:
    scoreboard.picked_up(sent_at)


@broker.actor
def noop(number: int) -> None:
    scoreboard.ran()


@broker.actor
async def noop_async(number: int) -> None:
    scoreboard.ran()


@broker.actor
def hang() -> None:
    if scoreboard.hung("ours"):
        time.sleep(600)


def send(task: str, *args: Any) -> None:
    broker.actors[task].send(*args)
