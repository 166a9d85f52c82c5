"""What Prometheus is told, and the port it is told on: one port and folder per process tier.

With several processes in one tier, set ``PROMETHEUS_MULTIPROC_DIR`` to a folder of that tier's
own; the first process that gets the port then speaks for all of them.
"""

import os
import time
from typing import Any, Final

import dramatiq
import structlog
from dramatiq import Broker
from dramatiq.middleware import Middleware
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector

log = structlog.get_logger(__name__)

MESSAGES: Final = Counter(
    "sns_messages_total", "Messages that an actor ended with.", ["actor", "outcome"]
)
MESSAGE_SECONDS: Final = Histogram(
    "sns_message_seconds", "How long an actor took.", ["actor"], unit="seconds"
)
POSTS: Final = Counter(
    "sns_publish_answers_total", "What publish calls came to: published, or the error.", ["outcome"]
)
LATENESS: Final = Histogram(
    "sns_publish_lateness_seconds",
    "Due time to the moment the publish call was made.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600),
)
RELAYED: Final = Counter("sns_outbox_relayed_total", "Rows sent from the outbox.", ["kind"])
RELAY_SECONDS: Final = Histogram(
    "sns_outbox_relay_seconds",
    "A row's insert to its arrival in Redis.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10, 60),
)
PUSHED: Final = Counter(
    "sns_pushed_changes_total", "Changes of comments that webhooks brought.", ["outcome"]
)


def serve_metrics(host: str, port: int) -> None:
    """Answer ``GET /metrics`` from a thread; port 0 means not at all."""
    if port == 0:
        return
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        # A worker that publishes without metrics is better than none.
        log.warning("metrics are not served by this process", port=port, error=str(error))


class MessageMetrics(Middleware):
    """Counts what actors do."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def before_process_message(self, broker: Broker, message: dramatiq.MessageProxy) -> None:
        """Start the watch."""
        self._started[message.message_id] = time.perf_counter()

    def after_process_message(
        self,
        broker: Broker,
        message: dramatiq.MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Stop it."""
        started = self._started.pop(message.message_id, None)
        if started is not None:
            MESSAGE_SECONDS.labels(message.actor_name).observe(time.perf_counter() - started)
        MESSAGES.labels(message.actor_name, "done" if exception is None else "raised").inc()

    def after_skip_message(self, broker: Broker, message: dramatiq.MessageProxy) -> None:
        """A skipped message took no time."""
        self._started.pop(message.message_id, None)
        MESSAGES.labels(message.actor_name, "skipped").inc()
