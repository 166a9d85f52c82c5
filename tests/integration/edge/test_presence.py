"""``online:<user_id>`` over several edges."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from edge.server import Server
from models import channels
from models.delivery import Delivery
from tests.integration.edge.conftest import OwnValkey
from tests.integration.edge.harness import event, serving, signed_in, until_true

pytestmark = pytest.mark.integration

KEY = channels.online(7)


async def test_user_is_online_until_the_last_connection_to_any_edge_ends(
    redis_url: str, client: Redis
) -> None:
    own = {"edge_presence_grace_s": 0}
    async with serving(redis_url, **own) as one, serving(redis_url, **own) as another:
        async with signed_in(one.port):
            async with signed_in(one.port), signed_in(another.port):
                await until_true(lambda: _has_members(client, 3))
            await until_true(lambda: _has_members(client, 1))
            assert 290 < await client.ttl(KEY) <= 300
        await until_true(lambda: _has_members(client, 0))
        assert not await client.exists(KEY)


async def test_connection_stays_present_longer_than_the_key_lives(
    redis_url: str, client: Redis
) -> None:
    async with serving(redis_url, edge_presence_s=3) as edge, signed_in(edge.port):
        await until_true(lambda: _has_members(client, 1))
        ((_, first),) = await client.zrange(KEY, 0, -1, withscores=True)

        async def is_renewed_twice() -> bool:
            ((_, score),) = await client.zrange(KEY, 0, -1, withscores=True)
            return bool(score >= first + 2)

        await until_true(is_renewed_twice)


async def test_reload_never_goes_offline(edge: Server, client: Redis) -> None:
    async with signed_in(edge.port):
        pass
    await until_true(lambda: _is(client, [b"gone"]))
    assert 0 < await client.ttl(KEY) <= 5

    async with signed_in(edge.port):
        assert await client.zcard(KEY) == 1
        assert await client.ttl(KEY) > 290


async def test_user_goes_offline_after_the_grace(redis_url: str, client: Redis) -> None:
    async with serving(redis_url, edge_presence_grace_s=1) as edge:
        async with signed_in(edge.port), signed_in(edge.port):
            pass
        await until_true(lambda: _is(client, [b"gone"]))
        await until_true(lambda: _is(client, []))


async def test_three_tabs_close_one_and_the_user_stays_with_all_events(
    edge: Server, client: Redis, delivery: Delivery
) -> None:
    async with signed_in(edge.port) as first, signed_in(edge.port) as second:
        async with signed_in(edge.port) as third:
            await delivery.deliver([event(1)])
            await third.receive(1)
        await until_true(lambda: _has_members(client, 2))
        await delivery.deliver([event(2)])

        assert await first.receive(2) == await second.receive(2) == ["소식 1", "소식 2"]
        assert await client.ttl(KEY) > 290


async def test_connections_of_a_killed_edge_run_out(redis_url: str, client: Redis) -> None:
    await client.zadd(KEY, {"gone": 1})
    async with serving(redis_url) as edge, signed_in(edge.port):
        await until_true(lambda: _has_members(client, 1))
        assert await client.zscore(KEY, "gone") is None


async def test_edge_that_stops_takes_its_connections_out(redis_url: str, client: Redis) -> None:
    async with serving(redis_url) as edge, signed_in(edge.port) as browser:
        await until_true(lambda: _has_members(client, 1))
        edge.should_exit = True
        assert await browser.close_code() == 4200

    assert await client.zrange(KEY, 0, -1) == [b"gone"]
    assert await client.ttl(KEY) <= 5


async def test_presence_comes_back_with_a_redis_that_lost_it(own_valkey: OwnValkey) -> None:
    async with (
        Redis.from_url(own_valkey.url) as client,
        serving(own_valkey.url) as edge,
        signed_in(edge.port),
    ):
        await until_true(lambda: _has_members(client, 1))
        await client.delete(KEY)
        await own_valkey.stop()
        await own_valkey.start()

        await until_true(lambda: _has_members(client, 1))


async def _is(client: Redis, members: list[bytes]) -> bool:
    found: list[bytes] = await client.zrange(KEY, 0, -1)
    return found == members


async def _has_members(client: Redis, count: int) -> bool:
    try:
        return bool(await client.zcard(KEY) == count)
    except ConnectionError:
        return False  # a connection from before the restart
