"""Whatever dies: each event is seen once and in order, or the browser is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.edge.traffic import traffic
from tests.running_edge import running
from tests.servers import Server, server

pytestmark = pytest.mark.chaos


@pytest.fixture
async def own_valkey(tmp_path: Path) -> AsyncIterator[Server]:
    with server(tmp_path) as one:
        yield one


async def test_one_of_two_edges_is_killed(redis_url: str) -> None:
    async with running(2, redis_url) as edges, traffic(redis_url, edges) as seen:
        await edges[0].kill()
        await seen.more()
        await edges[0].start()
        await edges[1].kill()
        await seen.more()

    seen.assert_each_once_and_in_order()


async def test_rolling_restart_of_two_edges(redis_url: str) -> None:
    async with running(2, redis_url) as edges, traffic(redis_url, edges) as seen:
        for edge in edges:
            await edge.restart()
            await seen.more()

    seen.assert_each_once_and_in_order()
    assert {code for follower in seen.followers for code in follower.codes} == {4200}


async def test_valkey_is_killed_and_comes_back_with_its_file(own_valkey: Server) -> None:
    async with running(2, own_valkey.url) as edges, traffic(own_valkey.url, edges) as seen:
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        await seen.more()

    seen.assert_each_once_and_in_order()


async def test_valkey_is_killed_and_comes_back_empty(own_valkey: Server, tmp_path: Path) -> None:
    async with running(2, own_valkey.url) as edges, traffic(own_valkey.url, edges) as seen:
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.forget)
        await asyncio.to_thread(own_valkey.start)
        await seen.more()

    seen.assert_in_order_or_told()
    assert all(len(follower.seen) == 2 for follower in seen.followers), "everyone was told, once"


async def test_subscriptions_are_killed_under_load(redis_url: str) -> None:
    async with (
        running(2, redis_url) as edges,
        traffic(redis_url, edges) as seen,
        Redis.from_url(redis_url) as redis,
    ):
        for _ in range(5):
            assert await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await seen.more(10)

    seen.assert_each_once_and_in_order()
    assert all(follower.codes == [] for follower in seen.followers), "no socket noticed"
