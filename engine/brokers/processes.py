"""How a worker process ends: with its master, and once."""

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

from dramatiq import Broker, Middleware

PR_SET_PDEATHSIG = 1
"""Linux' prctl(2): the signal that a process gets when its parent dies."""

SAME_SIGNAL_S = 2.0
"""Signals closer together than this are one wish to stop."""

log = logging.getLogger(__name__)


class WorkerProcess(Middleware):
    """Ties a worker process of the dramatiq command line to its master.

    A master that is killed outright cannot stop its workers; they would go on beside those of its
    successor. And a stop signal to the whole process group reaches a worker twice, from outside
    and from its master: dramatiq takes the second for impatience and drops what is running.
    """

    def after_process_boot(self, broker: Broker) -> None:
        """In the worker process, before it does anything."""
        die_with_parent()
        signal.signal(signal.SIGTERM, _once(signal.getsignal(signal.SIGTERM)))


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it dies; on Linux only."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        log.warning("Worker will outlive a killed master: errno %d", ctypes.get_errno())
    # The parent may have died before the kernel was told.
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid != os.getppid():
        log.critical("The master is gone; so is this worker")
        os._exit(1)


def _once(handle: Any) -> Any:
    """A handler that takes signals in quick succession for one."""
    first_at: float | None = None

    def handle_once(signum: int, frame: FrameType | None) -> None:
        nonlocal first_at
        now = time.monotonic()
        if first_at is not None and now - first_at < SAME_SIGNAL_S:
            return
        first_at = first_at or now
        if callable(handle):
            handle(signum, frame)

    return handle_once
