"""What the dramatiq command line loads in these tests; figures come from the environment.

Actors write what happens to a Redis list, so that a test can wait for it.
"""

import asyncio
import ctypes
import os
import threading
import time

from engine.brokers import Tiers, connect

tiers = Tiers(
    connect=lambda: connect(os.environ["TEST_REDIS_URL"]),
    namespace="{test}",
    beat_s=float(os.environ["TEST_BEAT_S"]),
    dead_after_s=float(os.environ["TEST_DEAD_AFTER_S"]),
)
critical, low = tiers["critical"], tiers["low"]


def note(what: str) -> None:
    critical.client.rpush("notes", what)


@critical.actor
def first_hangs() -> None:
    """Hangs on the first run only, wherever that is."""
    is_first = critical.client.incr("first") == 1  # before the note, on which the test kills
    note(f"runs in {os.getpid()}")
    if is_first:
        time.sleep(60)


@critical.actor
def hold_the_gil(seconds: float) -> None:
    """As a long call into a C library that never lets go of it."""
    note(f"runs in {os.getpid()}")
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))


@critical.actor
async def finish_when_told() -> None:
    note(f"runs in {os.getpid()}")
    while not critical.client.exists("told"):
        await asyncio.sleep(0.01)
    note("finished")


@critical.actor
def count(number: int) -> None:
    critical.client.hincrby("counts", str(number), 1)
    assert threading.active_count() > 1
