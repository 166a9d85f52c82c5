"""Everything that the edge answers to a plain GET and that is no operation on a user's data."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Page:
    """A path that gives one kind of text."""

    path: str
    name: str
    summary: str
    media_type: str
    needs_token: bool = False


SSE: Final = Page(
    "/sse", "streamEvents", "The user's events, as an event stream", "text/event-stream", True
)
HEALTHZ: Final = Page("/healthz", "isAlive", "Whether the process is alive", "text/plain")
READYZ: Final = Page(
    "/readyz", "isReady", "Whether events can be delivered; the state of both servers", "text/plain"
)
METRICS: Final = Page("/metrics", "readMetrics", "Counters, for Prometheus", "text/plain")
OPENAPI: Final = Page("/openapi.json", "readOpenApi", "This document", "application/json")
ASYNCAPI: Final = Page(
    "/asyncapi.json", "readAsyncApi", "What travels on /ws and /sse", "application/json"
)
EVENTS: Final = Page("/docs/events", "showEvents", "The same, for people", "text/html")

PAGES: Final = (SSE, HEALTHZ, READYZ, METRICS, OPENAPI, ASYNCAPI, EVENTS)
