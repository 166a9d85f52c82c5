"""The middleware that every tier has; resources and metrics are added where workers are made."""

from dramatiq import Middleware
from dramatiq.middleware import (
    Callbacks,
    CurrentMessage,
    Pipelines,
    Retries,
    ShutdownNotifications,
    TimeLimit,
)

from engine.brokers.loops import EventLoop
from engine.brokers.processes import WorkerProcess

MAX_RETRIES = 3
MIN_BACK_OFF_MS = 60_000
MAX_BACK_OFF_MS = 3_600_000


def default_middleware() -> list[Middleware]:
    """A new list: middleware holds state, so no two brokers may share it.

    No ``AgeLimit``: a message that waited long is late, not worthless.
    """
    return [
        WorkerProcess(),
        TimeLimit(),
        ShutdownNotifications(),
        Callbacks(),
        Pipelines(),
        # Doubling from 60 s, with up to as much again at random.
        Retries(max_retries=MAX_RETRIES, min_backoff=MIN_BACK_OFF_MS, max_backoff=MAX_BACK_OFF_MS),
        CurrentMessage(),
        EventLoop(),
    ]
