"""Running workers inside a test, and waiting for what they do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dramatiq import Broker, Worker
from dramatiq.middleware import AsyncIO

T = TypeVar("T")


@contextmanager
def working(broker: Broker, *, threads: int = 4, timeout_ms: int = 50) -> Iterator[Worker]:
    """A worker that runs until the end of the block, and ends quickly."""
    worker = Worker(broker, worker_threads=threads, worker_timeout=timeout_ms)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        # dramatiq leaves it there; a second worker on the broker would start the first again.
        broker.middleware[:] = [m for m in broker.middleware if getattr(m, "worker", 0) != worker]


def eventually(look: Callable[[], T], *, within_s: float = 10.0) -> T:
    """The first true value of ``look``; fails when there is none in time."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {within_s} s"
        time.sleep(0.005)
    return seen


def without_event_loop(broker: Broker) -> Broker:
    """The broker for a second worker in one process, which may have only one event loop."""
    broker.middleware[:] = [m for m in broker.middleware if not isinstance(m, AsyncIO)]
    return broker
