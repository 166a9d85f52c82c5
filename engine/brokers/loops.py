"""The event loop of a worker process, for async actors."""

from typing import Any

from dramatiq import Broker
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO


class EventLoop(AsyncIO):
    """dramatiq's ``AsyncIO`` on a daemon thread.

    With the stock one, a process that leaves by ``sys.exit`` before the loop was stopped (a
    failed boot, a second stop signal) waits for the loop's thread for ever.
    """

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        """Start the loop that every async actor of this process runs on."""
        thread = EventLoopThread(self.logger)
        thread.daemon = True
        thread.start(timeout=1.0)
        set_event_loop_thread(thread)
