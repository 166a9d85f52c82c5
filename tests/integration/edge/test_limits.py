"""How many, how fast, and what happens to those who are too many."""

import asyncio
import signal

import pytest
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from models import channels
from tests.integration.edge.harness import browsing, serving, signed_in, token, until_true
from tests.integration.edge.test_process import running

pytestmark = pytest.mark.integration

KEY = channels.online(7)


async def test_client_that_sends_too_fast_is_cut(redis_url: str) -> None:
    async with serving(redis_url) as edge, signed_in(edge.port) as browser:
        for _ in range(25):
            await browser.say(type="ping")
        assert await browser.close_code() == 4102


async def test_user_has_ten_connections_over_all_edges(redis_url: str, client: Redis) -> None:
    async with serving(redis_url) as one, serving(redis_url) as another:
        tabs = [browsing(edge.port, f"?token={token()}") for edge in (one, another) * 5]
        browsers = [await tab.__aenter__() for tab in tabs]
        await asyncio.gather(*(browser.hello() for browser in browsers))

        async with browsing(another.port, f"?token={token()}") as eleventh:
            assert await eleventh.close_code() == 4004
        async with signed_in(another.port, 8):
            pass
        assert await client.zcard(KEY) == 10

        await tabs.pop().__aexit__(None, None, None)
        await until_true(lambda: _has_members(client, 9))
        async with signed_in(one.port):
            pass
        for tab in tabs:
            await tab.__aexit__(None, None, None)


async def test_connections_of_an_edge_that_was_killed_do_not_count(
    redis_url: str, client: Redis
) -> None:
    """Its user comes back before anyone can know that it is dead, and still gets in."""
    own = {"edge_user_connections": 2}
    async with serving(redis_url, **own) as edge, running(redis_url, **own) as doomed:
        async with signed_in(doomed.port), signed_in(doomed.port):
            await until_true(lambda: _has_members(client, 2))
            doomed.process.send_signal(signal.SIGKILL)
            await doomed.process.wait()
        async with signed_in(edge.port), signed_in(edge.port):
            assert await client.zcard(KEY) == 2
            async with browsing(edge.port, f"?token={token()}") as third:
                assert await third.close_code() == 4004


async def test_client_that_leaves_while_it_is_let_in_is_not_counted(
    redis_url: str, client: Redis
) -> None:
    async with serving(redis_url, edge_presence_grace_s=0) as edge:
        for _ in range(30):
            async with browsing(edge.port, f"?token={token()}"):
                pass
        await until_true(lambda: _has_members(client, 0))
        async with signed_in(edge.port):
            assert await client.zcard(KEY) == 1


async def test_full_edge_answers_503_before_the_handshake(redis_url: str) -> None:
    async with serving(redis_url, edge_max_connections=2) as edge:
        async with signed_in(edge.port, 7), signed_in(edge.port, 8):
            with pytest.raises(InvalidStatus) as refusal:
                await browsing(edge.port).__aenter__()
            response = refusal.value.response
            assert response.status_code == 503
            assert response.headers["Retry-After"] == "5"
            assert b'sns_edge_refusals_total{reason="full"} 1.0' in edge.edge.metrics.render()
        await until_true(lambda: _can_sign_in(edge.port))


async def _can_sign_in(port: int) -> bool:
    try:
        async with signed_in(port):
            return True
    except InvalidStatus:
        return False


async def test_address_that_comes_too_fast_is_answered_429(redis_url: str) -> None:
    async with serving(redis_url, edge_connects_per_s=0.1, edge_connects_burst=2) as edge:
        async with signed_in(edge.port), signed_in(edge.port):
            with pytest.raises(InvalidStatus) as refusal:
                await browsing(edge.port).__aenter__()
        assert refusal.value.response.status_code == 429
        # What anyone can claim is believed of a trusted proxy alone.
        with pytest.raises(InvalidStatus):
            await browsing(
                edge.port, additional_headers={"X-Forwarded-For": "192.0.2.9"}
            ).__aenter__()


async def test_trusted_proxy_says_whose_connection_it_is(redis_url: str) -> None:
    own = {
        "edge_connects_per_s": 0.1,
        "edge_connects_burst": 1,
        "edge_trusted_proxies": "127.0.0.0/8, 10.0.0.0/8",
    }
    async with serving(redis_url, **own) as edge:

        async def connect(forwarded_for: str) -> None:
            query = f"?token={token()}"
            headers = {"X-Forwarded-For": forwarded_for}
            async with browsing(edge.port, query, additional_headers=headers) as browser:
                await browser.hello()

        await connect("192.0.2.1")
        await connect("192.0.2.2, 10.1.2.3")
        for forwarded_for in ("192.0.2.1", "203.0.113.5, 192.0.2.2"):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(forwarded_for)
            assert refusal.value.response.status_code == 429


async def _has_members(client: Redis, count: int) -> bool:
    return bool(await client.zcard(KEY) == count)
