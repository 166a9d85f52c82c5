"""What the benchmark's tasks report, the same for every engine.

Kept in database 1 of the same server. Times are ``time.monotonic()``, which all processes of a
machine share.
"""

import itertools
import os
import time

import redis

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379")
MESSAGES = int(os.environ.get("BENCH_MESSAGES", "0"))

board = redis.Redis.from_url(f"{URL}/1", socket_timeout=120)
_count = itertools.count()
_first: list[float] = []


def picked_up(sent_at: float) -> None:
    """A task began; tell how long that took."""
    board.rpush("pick_ups", time.monotonic() - sent_at)


def ran() -> None:
    """A no-op task ran; the last one tells how long all of them took."""
    number = next(_count)
    if number == 0:
        _first.append(time.monotonic())
    elif number == MESSAGES - 1:
        board.rpush("elapsed", time.monotonic() - _first[0])


def hung(engine: str) -> bool:
    """A task began that is to be killed: True on its first run only."""
    board.rpush(f"runs:{engine}", time.monotonic())
    return board.incr(f"first:{engine}") == 1
