"""Clients that other people wrote, on an edge that is killed under them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.delivery import Delivery
from tests.integration.edge.clients import programs
from tests.integration.edge.harness import event
from tests.running_edge import running

pytestmark = pytest.mark.integration

START_S = 30  # a browser on a loaded machine
BATCH = 20

CLIENTS = (
    programs.websockets,
    programs.aiohttp_client,
    programs.node_ws,
    programs.httpx_sse,
    programs.event_source,
)


@pytest.mark.parametrize("follow", CLIENTS, ids=lambda follow: follow.__name__)
async def test_client_misses_and_doubles_nothing_when_its_edge_is_killed(
    follow: Callable[[int, Callable[[dict[str, Any]], None]], Awaitable[None]],
    redis_url: str,
    delivery: Delivery,
) -> None:
    heard: list[dict[str, Any]] = []

    def events() -> list[str]:
        return [frame["title"] for frame in heard if "id" in frame]

    async with running(1, redis_url) as (edge,):
        following = asyncio.ensure_future(follow(edge.port, heard.append))

        async def until(condition: Callable[[], bool]) -> None:
            async with asyncio.timeout(START_S):
                while not condition():
                    if following.done():
                        await following
                    await asyncio.sleep(0.02)

        try:
            await until(lambda: bool(heard))
            await delivery.deliver([event(number) for number in range(BATCH)])
            await until(lambda: len(events()) >= BATCH)
            await edge.kill()
            await delivery.deliver([event(number) for number in range(BATCH, 2 * BATCH)])
            await edge.start()
            await until(lambda: len(events()) >= 2 * BATCH)
            await delivery.deliver([event("last")])
            await until(lambda: "소식 last" in events())
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    assert events() == [f"소식 {number}" for number in range(2 * BATCH)] + ["소식 last"]
    hellos = [frame for frame in heard if frame["type"] == "hello"]
    assert [hello["recovered"] for hello in hellos] == [False, True]
