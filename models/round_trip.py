"""Many commands in one round trip, for half of what a pipeline of redis-py costs.

A relay and a storm of reconnecting browsers send hundreds of commands at a time; a pipeline then
spends more on packing each argument and on a time-out for each answer than Redis spends on the
work. What is sent and what comes back is the same.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Argument = bytes | str | int


async def round_trip(client: Redis, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """Send commands in one piece and give their answers, in order.

    Retried as the client is told to; so the commands must be idempotent. Its ``socket_timeout`` is
    for all the answers together.

    Raises:
        redis.ResponseError: the first refusal, after all of the commands have been run.
        redis.RedisError: the server does not answer.
    """
    packed = b"".join(map(_pack, commands))
    connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        answers: list[Any] = await connection.retry.call_with_retry(
            lambda: _exchange(connection, packed, len(commands)),
            lambda _: connection.disconnect(),
        )
    finally:
        await client.connection_pool.release(connection)
    for answer in answers:
        if isinstance(answer, ResponseError):
            raise answer
    return answers


async def _exchange(connection: AbstractConnection, packed: bytes, count: int) -> list[Any]:
    try:
        await connection.send_packed_command(packed)
        async with asyncio.timeout(connection.socket_timeout):
            return [await _answer(connection) for _ in range(count)]
    except BaseException as error:
        # Answers that nobody has read must not be taken for those of the next commands.
        await connection.disconnect(nowait=True)
        if isinstance(error, TimeoutError):
            raise RedisTimeoutError("no answer in time") from error
        raise


async def _answer(connection: AbstractConnection) -> Any:
    try:
        # Infinite: the time-out around all of them counts.
        return await connection.read_response(timeout=math.inf, disconnect_on_error=False)
    except ResponseError as error:
        return error


def _pack(command: Iterable[Argument]) -> bytes:
    pieces = [piece if isinstance(piece, bytes) else str(piece).encode() for piece in command]
    body = b"".join([b"$%d\r\n%b\r\n" % (len(piece), piece) for piece in pieces])
    return b"*%d\r\n%b" % (len(pieces), body)
