"""``online:<user_id>`` exists while the user has a connection to any edge.

Behind the name is a sorted set of connection ids, scored by when each expires: an edge that leaves
takes only its own connections out, and those of an edge that was killed run out by themselves. The
main API needs no more than ``EXISTS``.
"""

import asyncio
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from models import channels

# The server's clock decides, so that edges with different clocks do not expire each other.
# KEYS[1] set; ARGV 1 seconds to live, or 0 to leave; then connection ids.
_SCRIPT: Final = """
local now = tonumber(redis.call('TIME')[1])
for index = 2, #ARGV do
  if ARGV[1] == '0' then
    redis.call('ZREM', KEYS[1], ARGV[index])
  else
    redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[index])
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[2] then
  redis.call('EXPIREAT', KEYS[1], last[2])
end
"""

_PER_ROUND_TRIP: Final = 200
_RETRY_S: Final = 0.5

log = structlog.get_logger("edge.presence")


class Presence:
    """Keeps this process's connections present while :meth:`run` runs.

    Args:
        client: for commands.
        lifetime_s: whole seconds that a connection stays present without being renewed; renewed
            three times in that span.
    """

    def __init__(self, client: Redis, *, lifetime_s: int) -> None:
        self._client = client
        self._lifetime_s = lifetime_s
        self._here: dict[str, int] = {}  # connection id → user
        self._changed: dict[str, int] = {}
        self._has_changed = asyncio.Event()

    def enter(self, connection_id: str, user_id: int) -> None:
        """A connection came."""
        self._here[connection_id] = user_id
        self._note(connection_id, user_id)

    def leave(self, connection_id: str) -> None:
        """A connection went."""
        self._note(connection_id, self._here.pop(connection_id))

    def renew(self) -> None:
        """Write all of it again: it is time, or Redis may have lost it."""
        self._changed.update(self._here)
        self._has_changed.set()

    async def run(self) -> None:
        """Write changes until cancelled."""
        clock = asyncio.get_running_loop().time
        renew_at = clock() + self._lifetime_s / 3
        while True:
            try:
                async with asyncio.timeout_at(renew_at):
                    await self._has_changed.wait()
            except TimeoutError:
                renew_at = clock() + self._lifetime_s / 3
                self.renew()
            try:
                await self.write()
            except (RedisError, OSError) as error:
                log.warning("presence not written", error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)

    async def write(self) -> None:
        """Write what has changed.

        Raises:
            redis.RedisError: not all is written; it stays noted.
        """
        while self._changed:
            batch = dict(list(self._changed.items())[:_PER_ROUND_TRIP])
            pipeline = self._client.pipeline(transaction=False)
            for connection_id, user_id in batch.items():
                lifetime_s: Any = self._lifetime_s if connection_id in self._here else 0
                pipeline.eval(_SCRIPT, 1, channels.online(user_id), lifetime_s, connection_id)
            for connection_id in batch:
                del self._changed[connection_id]
            try:
                await pipeline.execute()
            except BaseException:
                # Whatever came meanwhile is newer, and is decided by self._here anyway.
                self._changed = batch | self._changed
                raise
        self._has_changed.clear()

    def _note(self, connection_id: str, user_id: int) -> None:
        self._changed[connection_id] = user_id
        self._has_changed.set()
