import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from models.round_trip import round_trip

pytestmark = pytest.mark.integration


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    retry = Retry(NoBackoff(), 1)
    async with Redis.from_url(
        redis_url, max_connections=1, socket_timeout=1, retry=retry
    ) as client:
        yield client


async def test_answers_come_in_order_whatever_their_form(redis: Redis) -> None:
    answers = await round_trip(
        redis,
        [
            ("SET", "이름", "값"),
            ("GET", "이름"),
            ("INCRBY", "n", 3),
            ("GET", "none"),
            ("LRANGE", b"list", 0, -1),
        ],
    )

    assert [answers[0] in {True, b"OK"}, *answers[1:]] == [True, "값".encode(), 3, None, []]


async def test_refusal_is_raised_after_everything_has_been_run(redis: Redis) -> None:
    with pytest.raises(ResponseError, match="not an integer"):
        await round_trip(redis, [("SET", "a", "x"), ("INCR", "a"), ("SET", "b", "y")])

    assert await redis.get("b") == b"y"


async def test_answer_that_nobody_waited_for_is_not_taken_for_the_next(
    redis: Redis, redis_url: str
) -> None:
    asking = asyncio.create_task(round_trip(redis, [("BLPOP", "never", 5), ("GET", "a")]))
    async with asyncio.timeout(5):
        while not await _blocked(redis_url):
            await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert await round_trip(redis, [("ECHO", "mine")]) == [b"mine"]


async def test_silence_ends_in_time(redis: Redis) -> None:
    redis.connection_pool.connection_kwargs["socket_timeout"] = 0.05
    with pytest.raises(RedisTimeoutError):
        await round_trip(redis, [("BLPOP", "never", 5)])

    assert await round_trip(redis, [("ECHO", "mine")]) == [b"mine"]


async def test_lost_connection_is_opened_again(redis: Redis, redis_url: str) -> None:
    await round_trip(redis, [("PING",)])
    async with Redis.from_url(redis_url) as other:
        await other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    assert await round_trip(redis, [("ECHO", "mine")]) == [b"mine"]


async def _blocked(redis_url: str) -> bool:
    async with Redis.from_url(redis_url) as other:
        return bool((await other.info("clients"))["blocked_clients"])
