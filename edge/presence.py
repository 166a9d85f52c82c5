"""``online:<user_id>`` exists while the user has a connection to any edge.

Behind the name is a sorted set of connections, scored by when each expires: an edge that leaves
takes only its own connections out, and those of an edge that was killed run out by themselves. The
main API needs no more than ``EXISTS``. When the last connection goes, the name stays for a few
seconds: a page that reloads was never away.

The same set says how many connections a user has over all edges. For that, five minutes are too
long to believe a killed edge: each edge gives a sign of life every second, and connections of one
that has been silent are not counted.
"""

import asyncio
import secrets
from enum import IntEnum
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from models import channels

BEAT_S: Final = 1
"""Time between two signs of life of an edge."""

_DEAD_AFTER_MS: Final = 3000
"""An edge that gave no sign for this long is gone; it has missed two."""

_GONE: Final = "gone"
"""Stands in the set, after the last connection, for the user who may be reloading a page."""

# The server's clock decides, so that edges with different clocks do not expire each other.
_COMMON: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(time[2] / 1000)
local function expire()
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
  if last[2] then
    redis.call('EXPIREAT', KEYS[1], last[2])
  end
end
"""

# KEYS 1 set   ARGV 1 seconds to live, or 0 to leave   2 connection   3 grace in seconds
_WRITE: Final = (
    _COMMON
    + f"""
if ARGV[1] ~= '0' then
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
elseif redis.call('ZREM', KEYS[1], ARGV[2]) == 1 and ARGV[3] ~= '0'
    and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZADD', KEYS[1], now + ARGV[3], '{_GONE}')
end
expire()
"""
)

# KEYS 1 set   2 signs of life
# ARGV 1 seconds to live   2 connection   3 its edge   4 most connections of one user
#      5 when this was first asked, in the server's milliseconds; 0 if that is now
# → {what an Entry says, when this was first asked}
_ENTER: Final = (
    _COMMON
    + f"""
local asked = ARGV[5] == '0' and now_ms or tonumber(ARGV[5])
redis.call('ZADD', KEYS[2], now_ms, ARGV[3])
expire()
local count, in_doubt = 0, false
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local edge = string.match(member, '^(%x+):')
  if edge and member ~= ARGV[2] then
    local beat = tonumber(redis.call('ZSCORE', KEYS[2], edge) or 0)
    if beat + {_DEAD_AFTER_MS} < now_ms then
      redis.call('ZREM', KEYS[1], member)
    else
      count = count + 1
      in_doubt = in_doubt or (edge ~= ARGV[3] and beat <= asked)
    end
  end
end
if count >= tonumber(ARGV[4]) then
  return {{in_doubt and 2 or 0, asked}}
end
redis.call('ZREM', KEYS[1], '{_GONE}')
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
expire()
return {{1, asked}}
"""
)

# KEYS 1 signs of life   ARGV 1 an edge
_BEAT: Final = f"""
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms - {20 * _DEAD_AFTER_MS})
"""

_PER_ROUND_TRIP: Final = 200
_RETRY_S: Final = 0.5

log = structlog.get_logger("edge.presence")


class Entry(IntEnum):
    """What became of a connection that wanted to come in."""

    FULL = 0
    ENTERED = 1

    IN_DOUBT = 2
    """Full, if all edges live that held the user's connections; ask again after their next beat."""


class Presence:
    """Keeps this process's connections present while :meth:`run` runs.

    Args:
        client: for commands.
        lifetime_s: whole seconds that a connection stays present without being renewed; renewed
            three times in that span.
        grace_s: whole seconds that a user stays present after the last connection.
        most: connections that one user may have over all edges.
    """

    def __init__(self, client: Redis, *, lifetime_s: int, grace_s: int, most: int) -> None:
        self._client = client
        self._lifetime_s = lifetime_s
        self._grace_s = grace_s
        self._most = most
        self._edge_id = secrets.token_hex(4)
        self._here: dict[str, int] = {}  # connection id → user
        self._changed: dict[str, int] = {}
        self._has_changed = asyncio.Event()

    def ask(self, pipeline: Pipeline, connection_id: str, user_id: int, asked_at: int) -> None:
        """Queue one command that lets a connection in; its answer goes to :meth:`answered`."""
        pipeline.eval(
            _ENTER,
            2,
            channels.online(user_id),
            channels.EDGES,
            *(self._lifetime_s, self._member(connection_id), self._edge_id, self._most, asked_at),
        )

    def answered(self, connection_id: str, user_id: int, answer: Any) -> tuple[Entry, int]:
        """What became of it, and when it was first asked; an entered one is renewed from now on."""
        entry, asked_at = answer
        if entry == Entry.ENTERED:
            self._here[connection_id] = user_id
        return Entry(entry), asked_at

    def leave(self, connection_id: str) -> None:
        """A connection went; nothing happens if it never came in."""
        user_id = self._here.pop(connection_id, None)
        if user_id is not None:
            self.forget(connection_id, user_id)

    def forget(self, connection_id: str, user_id: int) -> None:
        """A connection went before it was known whether it had come in."""
        self._changed[connection_id] = user_id
        self._has_changed.set()

    def renew(self) -> None:
        """Write all of it again: it is time, or Redis may have lost it."""
        self._changed.update(self._here)
        self._has_changed.set()

    async def run(self) -> None:
        """Write changes and signs of life until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_changes(), name="presence of users")
            tasks.create_task(self._beat(), name="presence of the edge")

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
                member = self._member(connection_id)
                pipeline.eval(
                    _WRITE, 1, channels.online(user_id), lifetime_s, member, self._grace_s
                )
            for connection_id in batch:
                del self._changed[connection_id]
            try:
                await pipeline.execute()
            except BaseException:
                # Whatever came meanwhile is newer, and is decided by self._here anyway.
                self._changed = batch | self._changed
                raise
        self._has_changed.clear()

    async def withdraw(self) -> None:
        """Write what has changed, and that this edge is gone.

        Raises:
            redis.RedisError: not all is written; it runs out by itself.
        """
        await self.write()
        await self._client.zrem(channels.EDGES, self._edge_id)

    async def _follow_changes(self) -> None:
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

    async def _beat(self) -> None:
        while True:
            try:
                await self._client.eval(_BEAT, 1, channels.EDGES, self._edge_id)
            except (RedisError, OSError) as error:
                log.warning("no sign of life given", error=type(error).__name__)
            await asyncio.sleep(BEAT_S)

    def _member(self, connection_id: str) -> str:
        return f"{self._edge_id}:{connection_id}"
