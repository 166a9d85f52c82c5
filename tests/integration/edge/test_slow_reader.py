"""One socket that does not read, beside one that does."""

import asyncio
import json
import socket

import pytest
from redis.asyncio import Redis

from edge.metrics import Metrics
from models import channels
from models.delivery import Delivery
from tests.integration.edge.harness import browsing, event, serving, signed_in, token, until

pytestmark = pytest.mark.integration


def stalled_socket(port: int, resume: str = "") -> socket.socket:
    """A WebSocket that has shaken hands and then reads nothing, with hardly any buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(
        f"GET /ws?token={token()}{resume} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return sock


async def test_slow_reader_is_dropped_and_holds_no_one_up(
    redis_url: str, delivery: Delivery
) -> None:
    async with serving(redis_url, edge_send_timeout_s=0.5, edge_queue_frames=50) as edge:
        async with signed_in(edge.port) as reader:
            stalled = await asyncio.to_thread(stalled_socket, edge.port)
            with stalled:
                metrics = edge.edge.metrics
                await until(lambda: b"sns_edge_connections 2.0" in metrics.render())
                # Larger than what two kernels buffer, and more frames than the queue takes.
                for batch in range(20):
                    await delivery.deliver(
                        [event(batch * 20 + n, padding="x" * 20_000) for n in range(20)]
                    )
                    await reader.receive(20)
                await until(lambda: b'sns_edge_closes_total{code="4101"} 1.0' in metrics.render())
                await until(lambda: b"sns_edge_connections 1.0" in metrics.render())
                # Gone from the server as well, not waiting for a flush that never comes.
                await until(lambda: len(edge.server_state.connections) == 1)

        assert reader.titles == [f"소식 {number}" for number in range(400)]


async def test_slow_reader_of_an_answer_gets_it_whole_in_fewer_frames(
    redis_url: str, client: Redis, delivery: Delivery
) -> None:
    """More chunks than the queue has places, and an alert among them, wait for one socket."""
    own = {"edge_queue_frames": 5, "edge_queue_bytes": 2**27, "edge_send_timeout_s": 60}
    chunks = [f"{number:04}" + "가" * 7_000 for number in range(600)]
    async with (
        serving(redis_url, **own) as edge,
        browsing(edge.port, f"?token={token()}", max_size=None) as browser,
    ):
        await browser.hello()
        browser.socket.transport.pause_reading()
        for index, chunk in enumerate(chunks):
            done = index == len(chunks) - 1
            fields = {"conversation_id": 3, "chunk": chunk, "index": index, "done": done}
            frame = {"type": "chat_stream", "status": "streaming"} | fields
            await client.publish(channels.live(7), json.dumps(frame, ensure_ascii=False))
            if index == 550:
                await delivery.deliver([event("alert")])
        await until(lambda: _deliveries(edge.edge.metrics) > len(chunks))
        browser.socket.transport.resume_reading()
        answer, frames, following = "", 0, 0
        while following < len(chunks):
            frame = await browser.next()
            if frame["type"] == "chat_stream":
                assert frame.get("first_index", frame["index"]) == following
                answer += frame["chunk"]
                following = frame["index"] + 1
                frames += 1
        assert frame["done"]
        if not browser.titles:
            await browser.receive(1)

    assert answer == "".join(chunks)
    assert frames < len(chunks)
    assert browser.titles == ["소식 alert"]


def _deliveries(metrics: Metrics) -> float:
    return next(
        float(line.split()[1])
        for line in metrics.render().decode().splitlines()
        if line.startswith("sns_edge_deliveries_total")
    )


async def test_slow_reader_gets_its_history_slowly_instead_of_all_into_memory(
    redis_url: str, delivery: Delivery
) -> None:
    """A page is fetched when the one before has left, so that what waits stays bounded."""
    async with serving(redis_url, edge_send_timeout_s=60) as edge:
        async with signed_in(edge.port) as reader:
            start = reader.resume
        await delivery.deliver([event(n, padding="x" * 20_000) for n in range(400)])

        stalled = await asyncio.to_thread(stalled_socket, edge.port, f"&resume={start}")
        with stalled:
            metrics = edge.edge.metrics
            await until(lambda: b"sns_edge_connections 1.0" in metrics.render())
            async with signed_in(edge.port, resume=start) as reader:
                await reader.receive(400)
            assert _deliveries(metrics) < 400 + 400
