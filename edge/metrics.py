"""What ``/metrics`` shows."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """Counters of one edge; a registry of its own, so that two edges in a process do not clash."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.connections = Gauge(
            "sns_edge_connections", "Open connections.", registry=self._registry
        )
        self.deliveries = Counter(
            "sns_edge_deliveries", "Events queued for a socket.", registry=self._registry
        )
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

    def render(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self._registry)
