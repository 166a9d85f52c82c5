"""The process's one reader of Redis channels.

It keeps the wanted channels subscribed over lost connections. A message published while there was
no connection is gone, and redis-py would reconnect without a word; here every confirmation of a
subscription is told, so that whoever listens can compare its position with the history.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from edge.pushes import PushParser

PING_S: Final = 5
"""A connection on which nothing, not even the answer to a ping, came for twice this long is dead;
TCP alone would notice after many minutes."""

RECONNECT_S: Final = 0.2
"""Pause between attempts; one per process, so that no back-off is needed."""

_CHANNELS_PER_COMMAND: Final = 500

log = structlog.get_logger("edge.subscription")


class Subscription:
    """Wanted channels, kept subscribed while :meth:`run` runs.

    Args:
        url: of the Redis server.
        on_message: called with channel and data for each message, in order; must not raise.
        on_subscribed: called with the channel whenever a subscription begins, the first time and
            after each reconnect; what was published before that moment may have been missed.
    """

    def __init__(
        self,
        url: str,
        *,
        on_message: Callable[[str, bytes], None],
        on_subscribed: Callable[[str], None],
    ) -> None:
        # RESP2: pushes come as plain arrays.
        self._pool = ConnectionPool.from_url(
            url, protocol=2, socket_connect_timeout=2, parser_class=self._make_parser
        )
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._wanted: set[str] = set()
        self._sent: set[str] = set()  # subscribed, or asked to be, on this connection
        self._confirmed: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._has_changed = asyncio.Event()
        self._heard_at = 0.0

    def want(self, channel: str) -> None:
        """Subscribe, now or as soon as there is a connection."""
        self._wanted.add(channel)
        self._has_changed.set()

    def drop(self, channel: str) -> None:
        """Unsubscribe."""
        self._wanted.discard(channel)
        self._has_changed.set()
        if (waiting := self._waiting.pop(channel, None)) is not None:
            waiting.cancel()

    async def confirmed(self, channel: str) -> None:
        """Wait until a wanted channel is subscribed; from here on nothing published is missed."""
        if channel not in self._confirmed:
            waiting = self._waiting.get(channel)
            if waiting is None:
                waiting = asyncio.get_running_loop().create_future()
                self._waiting[channel] = waiting
            await asyncio.shield(waiting)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
                log.info("subscription connected")
                await self._use(connection)
            except* (RedisError, OSError) as group:
                log.warning("subscription lost", error=type(group.exceptions[0]).__name__)
            finally:
                self._sent.clear()
                self._confirmed.clear()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RECONNECT_S)

    async def _use(self, connection: AbstractConnection) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._has_changed.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._follow_wishes(connection))
            tasks.create_task(self._watch(connection))

    def _make_parser(self, socket_read_size: int) -> PushParser:
        self._parser = PushParser(socket_read_size)
        return self._parser

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            # No time-out: silence is judged by the watch, which costs nothing per message.
            pushes = await self._parser.pushes()
            self._heard_at = clock()
            for kind, channel, data in pushes:
                if kind == b"message":
                    self._on_message(channel.decode(), data)
                elif kind == b"subscribe":
                    self._confirm(channel.decode())
            await asyncio.sleep(0)  # what was written leaves before more is read

    def _confirm(self, channel: str) -> None:
        if channel in self._sent:
            self._confirmed.add(channel)
        waiting = self._waiting.pop(channel, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        self._on_subscribed(channel)

    async def _follow_wishes(self, connection: AbstractConnection) -> None:
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            # Both are settled before anything is sent: wishes may change while it is.
            new, old = self._wanted - self._sent, self._sent - self._wanted
            self._sent = set(self._wanted)
            self._confirmed -= old
            await self._send(connection.send_command, "UNSUBSCRIBE", old)
            await self._send(connection.send_command, "SUBSCRIBE", new)

    async def _send(
        self, send: Callable[..., Awaitable[None]], command: str, channels: set[str]
    ) -> None:
        ordered = sorted(channels)
        for start in range(0, len(ordered), _CHANNELS_PER_COMMAND):
            await send(command, *ordered[start : start + _CHANNELS_PER_COMMAND], check_health=False)

    async def _watch(self, connection: AbstractConnection) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(PING_S)
            if clock() - self._heard_at > 2 * PING_S:
                raise TimeoutError("Redis is silent")
            await connection.send_command("PING", check_health=False)
