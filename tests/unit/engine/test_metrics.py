"""dramatiq's Prometheus middleware serves one port and one folder per host, so a second worker
collides with the first (design: one port per tier). Ours warns and works on.
"""

import socket

import httpx
import structlog
from structlog.testing import capture_logs

from engine.metrics import POSTS, serve_metrics


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_a_second_process_on_the_same_port_warns_and_goes_on() -> None:
    structlog.reset_defaults()
    port = free_port()
    POSTS.labels("published").inc()
    serve_metrics("127.0.0.1", port)
    with capture_logs() as logs:
        serve_metrics("127.0.0.1", port)
    assert [entry["event"] for entry in logs] == ["metrics are not served by this process"]
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert 'sns_publish_answers_total{outcome="published"}' in answer.text


def test_port_zero_serves_nothing() -> None:
    with capture_logs() as logs:
        serve_metrics("127.0.0.1", 0)
    assert logs == []
