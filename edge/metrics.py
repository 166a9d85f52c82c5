"""What ``/metrics`` shows."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector


class Tally(Collector):
    """A counter for the one thing that happens tens of thousands of times a second: no lock."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._count = 0

    def inc(self, amount: int = 1) -> None:
        """Count; from the event loop's thread only."""
        self._count += amount

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What Prometheus gets."""
        yield CounterMetricFamily(self._name, self._documentation, value=self._count)


class Metrics:
    """Counters of one edge; a registry of its own, so that two edges in a process do not clash."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.connections = Gauge(
            "sns_edge_connections", "Open connections.", registry=self._registry
        )
        self.deliveries = Tally("sns_edge_deliveries", "Events queued for a socket.")
        self._registry.register(self.deliveries)
        self.gaps = Counter(
            "sns_edge_gaps",
            "Connections that had missed an event and read it from history.",
            registry=self._registry,
        )
        self.closes = Counter(
            "sns_edge_closes", "Connections closed by the edge.", ["code"], registry=self._registry
        )
        self.refusals = Counter(
            "sns_edge_refusals",
            "Connections turned away before their handshake.",
            ["reason"],
            registry=self._registry,
        )
        self.skipped = Counter(
            "sns_edge_skipped_messages",
            "Messages from outside that could not be read.",
            registry=self._registry,
        )
        self.webhooks = Counter(
            "sns_edge_webhooks",
            "Deliveries that platforms pushed, by what became of them.",
            ["outcome"],
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self._registry)
