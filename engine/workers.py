"""What the dramatiq command loads: ``dramatiq engine.workers:critical``, one variable a tier.

The runtime opens when the worker boots, on the worker's event loop, and closes before that loop
stops.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog
import uvloop
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

from engine import brokers, runtime
from engine.actors import all as actors
from engine.errors import BootFailed
from engine.logs import configure_logs
from engine.metrics import MessageMetrics, serve_metrics
from engine.runtime import Runtime, open_critical, open_high, open_medium
from engine.settings import Settings

__all__ = ["actors", "critical", "high", "low", "medium"]

log = structlog.get_logger(__name__)

CLOSE_WITHIN_S = 25
"""Less than the 60 s that containers get to stop. `sns up` gives less, to keep its own promise of
ten seconds: a post that is cut off by it is in doubt until the next start reads the platform."""


class Resources(Middleware):
    """Gives a worker process its logs, metrics and runtime."""

    def __init__(self, tier: str, open_runtime: Callable[[Settings], Awaitable[Runtime]]) -> None:
        self._tier = tier
        self._open = open_runtime
        self._settings: Settings | None = None
        self._runtime: Runtime | None = None

    def after_process_boot(self, broker: Broker) -> None:
        """Read the settings, before any thread or loop exists."""
        try:
            self._settings = Settings.load()
        except BootFailed as error:
            _give_up(error)
        configure_logs(
            format_=self._settings.log_format,
            level=self._settings.log_level,
            process=f"worker-{self._tier}",
        )
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        serve_metrics(
            self._settings.metrics_host, getattr(self._settings, f"metrics_port_{self._tier}")
        )

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Open the runtime on the loop that the actors will run on."""
        loop = get_event_loop_thread()
        if loop is None or self._settings is None:
            raise RuntimeError("Resources comes after the middleware that starts the loop")
        try:
            self._runtime = loop.run_coroutine(self._open(self._settings))
        except BootFailed as error:
            loop.stop()  # or its thread would keep the process alive
            _give_up(error)
        except Exception as error:
            # dramatiq would log it and go on: a worker that takes messages and can do nothing.
            log.exception("the runtime does not open")
            loop.stop()
            _give_up(error)
        runtime.use(self._runtime)
        log.info("worker is up", tier=self._tier)

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Take no new posts; those at their second are finished meanwhile."""
        loop = get_event_loop_thread()
        if loop is not None and self._runtime is not None:
            loop.loop.call_soon_threadsafe(self._runtime.stopping.set)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Close the runtime; the loop stops after this."""
        loop = get_event_loop_thread()
        if loop is not None and self._runtime is not None:
            try:
                loop.run_coroutine(asyncio.wait_for(self._runtime.close(), CLOSE_WITHIN_S))
            except TimeoutError:
                log.error("the runtime did not close in time", seconds=CLOSE_WITHIN_S)
        runtime.use(None)


def _give_up(error: Exception) -> NoReturn:
    # SystemExit passes dramatiq's "log and go on" for faults in middleware.
    sys.stderr.write(f"cannot start: {error}\n")
    sys.stderr.flush()
    raise SystemExit(1)


critical, high, medium, low = (
    brokers.critical,
    brokers.high,
    brokers.medium,
    brokers.low,
)
critical.add_middleware(MessageMetrics())
critical.add_middleware(Resources("critical", open_critical))
medium.add_middleware(MessageMetrics())
medium.add_middleware(Resources("medium", open_medium))
high.add_middleware(MessageMetrics())
high.add_middleware(Resources("high", open_high))
low.add_middleware(MessageMetrics())
low.add_middleware(Resources("low", Runtime.open))
