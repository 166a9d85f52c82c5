"""Edges that go away on purpose, and connections that have become old."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack, suppress

import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed, InvalidMessage

from models.delivery import Delivery
from tests.integration.edge.harness import (
    PATIENCE_S,
    Browser,
    browsing,
    event,
    serving,
    signed_in,
    token,
    until,
)
from tests.integration.edge.test_process import EdgeProcess, running

pytestmark = pytest.mark.integration


async def test_client_is_told_when_to_come_back_before_it_is_sent_away(redis_url: str) -> None:
    async with serving(redis_url, edge_retry_ms=300) as edge, signed_in(edge.port) as browser:
        edge.should_exit = True
        hint = await browser.next()

        assert hint["type"] == "draining"
        assert 0 <= hint["retry_ms"] <= 300
        assert await browser.close_code() == 4200


async def test_sockets_are_closed_over_the_window_and_a_second_signal_hurries(
    redis_url: str,
) -> None:
    async with serving(redis_url, edge_drain_window_s=60) as edge, AsyncExitStack() as stack:
        for user_id in range(1, 121):
            await stack.enter_async_context(signed_in(edge.port, user_id))
        edge.handle_exit(signal.SIGTERM, None)
        await until(lambda: edge.edge.metrics.closes.labels(4200)._value.get() >= 50)
        assert edge.edge.metrics.closes.labels(4200)._value.get() < 120
        edge.handle_exit(signal.SIGTERM, None)
        await until(lambda: edge.edge.metrics.closes.labels(4200)._value.get() == 120)


async def test_draining_edge_is_not_ready_and_takes_nobody(redis_url: str) -> None:
    async with serving(redis_url, edge_drain_window_s=60) as edge, AsyncExitStack() as stack:
        for user_id in range(1, 61):
            await stack.enter_async_context(signed_in(edge.port, user_id))
        port = edge.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await _status(reader, writer) == 200
        edge.handle_exit(signal.SIGTERM, None)
        await until(lambda: edge.edge.is_draining)

        assert await _status(reader, writer) == 503
        with pytest.raises((OSError, InvalidMessage)):
            await browsing(port).__aenter__()
        edge.handle_exit(signal.SIGTERM, None)
        writer.close()
        await writer.wait_closed()


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Of ``/readyz``, on a connection that stays open."""
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: edge\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    return int(head.split()[1])


async def test_old_connection_is_replaced_and_misses_nothing(
    redis_url: str, delivery: Delivery
) -> None:
    async with serving(redis_url, edge_max_age_s=0.5) as edge:
        async with signed_in(edge.port) as browser:
            opened = time.monotonic()
            assert await browser.next() == {"type": "draining", "retry_ms": 0}
            assert await browser.close_code() == 4200
            assert time.monotonic() - opened > 0.3
        await delivery.deliver([event(1)])
        async with signed_in(edge.port, resume=browser.resume) as back:
            assert await back.receive(1) == ["소식 1"]


async def test_rolling_restart_under_load_loses_and_doubles_nothing(redis_url: str) -> None:
    """Each of two edges is stopped and started in turn while events never stop."""
    own = {"edge_drain_window_s": 0.3, "edge_retry_ms": 50}
    total, users = 600, range(1, 31)
    edges: list[EdgeProcess] = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Redis.from_url(redis_url))
        edges += [await stack.enter_async_context(running(redis_url, **own)) for _ in range(2)]
        tabs = [Tab(user_id, edges) for user_id in users]
        async with asyncio.timeout(6 * PATIENCE_S), asyncio.TaskGroup() as tasks:
            for tab in tabs:
                tasks.create_task(tab.listen(total))
            await asyncio.gather(*(tab.has_begun.wait() for tab in tabs))
            publishing = tasks.create_task(_publish(Delivery(client), users, total))
            for index in range(2):
                old = edges[index]
                half = total * (index + 1) // 3
                await until(lambda half=half: any(len(tab.titles) >= half for tab in tabs))  # type: ignore[misc]
                edges[index] = await stack.enter_async_context(running(redis_url, **own))
                code, written = await old.stop(signal.SIGTERM)
                assert code == 0, written.decode()
            assert not publishing.done(), "the load ended before the restart did"

    expected = [f"소식 {number}" for number in range(total)]
    assert [tab.titles for tab in tabs] == [expected] * len(users)
    assert all(tab.was_recovered for tab in tabs)
    assert all(tab.connects > 1 for tab in tabs)


class Tab:
    """A client as the contract wants it: it comes back, elsewhere, from where it was."""

    def __init__(self, user_id: int, edges: list[EdgeProcess]) -> None:
        self.titles: list[str] = []
        self.was_recovered = True
        self.connects = 0
        self.has_begun = asyncio.Event()
        self._user_id = user_id
        self._edges = edges

    async def listen(self, total: int) -> None:
        resume: str | None = None
        while len(self.titles) < total:
            edge = self._edges[(self._user_id + self.connects) % 2]
            self.connects += 1
            query = f"?token={token(self._user_id)}" + (f"&resume={resume}" if resume else "")
            with suppress(ConnectionClosed, OSError, InvalidMessage):
                async with browsing(edge.port, query) as browser:
                    try:
                        await self._read(browser, total)
                    finally:
                        resume = browser.resume if browser.position else resume

    async def _read(self, browser: Browser, total: int) -> None:
        hello = await browser.hello()
        self.was_recovered &= hello["recovered"] or not self.has_begun.is_set()
        self.has_begun.set()
        while len(self.titles) < total:
            frame = await browser.next()
            if frame["type"] == "draining":
                await asyncio.sleep(frame["retry_ms"] / 1000)
            elif "title" in frame:
                self.titles.append(frame["title"])


async def _publish(delivery: Delivery, users: range, total: int) -> None:
    for number in range(total):
        await delivery.deliver([event(number, user_id) for user_id in users])
        await asyncio.sleep(0.005)
