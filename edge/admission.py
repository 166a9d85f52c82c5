"""Whether a connection may come in: its token is not revoked, and its user has not too many.

Both are asked of Redis in one round trip, which connections that come at the same time share.
While Redis is away they wait here; how long is decided by whoever asks.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.auth import Identity, TokenRevoked, TooManyConnections
from edge.presence import BEAT_S, Entry, Presence
from models.revocation import are_revoked, is_revoked, record_keys

_PER_ROUND_TRIP: Final = 100
_RETRY_S: Final = 0.2

log = structlog.get_logger("edge.admission")


@dataclass(slots=True, eq=False)
class _Asked:
    connection_id: str
    identity: Identity
    answer: asyncio.Future[None] = field(repr=False)
    asked_at: int = 0  # server's milliseconds, once it has been asked
    was_sent: bool = False


class Admission:
    """Lets connections in while :meth:`run` runs.

    Args:
        client: for commands.
        presence: where they come in.
    """

    def __init__(self, client: Redis, presence: Presence) -> None:
        self._client = client
        self._presence = presence
        self._asked: deque[_Asked] = deque()
        self._has_asked = asyncio.Event()

    async def admit(self, connection_id: str, identity: Identity) -> None:
        """Let a connection in; from here on it is present, until it leaves.

        Waits for Redis as long as its caller does.

        Raises:
            TokenRevoked: by its id, or with all tokens of its user.
            TooManyConnections: the user has enough, over all edges.
        """
        asked = _Asked(connection_id, identity, asyncio.get_running_loop().create_future())
        self._ask(asked)
        await asked.answer

    async def check(self, identity: Identity) -> None:
        """Make sure that a token is not revoked.

        Raises:
            TokenRevoked: it is.
            redis.RedisError: nobody can tell now.
        """
        (was_revoked,) = await are_revoked(self._client, [identity.bearer])
        if was_revoked:
            raise TokenRevoked("revoked")

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            await self._has_asked.wait()
            count = min(_PER_ROUND_TRIP, len(self._asked))
            batch = [self._asked.popleft() for _ in range(count)]
            if not self._asked:
                self._has_asked.clear()
            await self._answer(batch)

    def _ask(self, asked: _Asked) -> None:
        self._asked.append(asked)
        self._has_asked.set()

    async def _answer(self, batch: list[_Asked]) -> None:
        while batch := [asked for asked in batch if not self._has_left(asked)]:
            for asked in batch:
                asked.was_sent = True
            pipeline = self._client.pipeline(transaction=False)
            for asked in batch:
                pipeline.mget(record_keys(asked.identity.bearer))
                user_id = asked.identity.user_id
                self._presence.ask(pipeline, asked.connection_id, user_id, asked.asked_at)
            try:
                answers = await pipeline.execute(raise_on_error=False)
            except (RedisError, OSError) as error:
                log.warning("nobody let in", error=type(error).__name__, waiting=len(batch))
                await asyncio.sleep(_RETRY_S)
                continue
            for index, asked in enumerate(batch):
                self._settle(asked, *answers[2 * index : 2 * index + 2])
            return

    def _has_left(self, asked: _Asked) -> bool:
        """Whether nobody waits any more; what may have been written for it is taken back."""
        if asked.answer.done() and asked.was_sent:
            self._presence.forget(asked.connection_id, asked.identity.user_id)
        return asked.answer.done()

    def _settle(self, asked: _Asked, records: Any, entered: Any) -> None:
        if self._has_left(asked):
            return
        if isinstance(records, Exception) or isinstance(entered, Exception):
            refusal = records if isinstance(records, Exception) else entered
            asked.answer.set_exception(refusal)
            return
        entry, asked.asked_at = self._presence.answered(
            asked.connection_id, asked.identity.user_id, entered
        )
        if is_revoked(asked.identity.bearer, records):
            asked.answer.set_exception(TokenRevoked("revoked"))
        elif entry is Entry.ENTERED:
            asked.answer.set_result(None)
        elif entry is Entry.FULL:
            asked.answer.set_exception(TooManyConnections("enough of this user"))
        else:
            # An edge that was killed a moment ago still counts; the next beat tells.
            asyncio.get_running_loop().call_later(BEAT_S / 4, self._ask, asked)
