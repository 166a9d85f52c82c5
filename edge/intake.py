"""What other programs publish: checked, completed, and sent on as events.

``pubsub:notifications`` reaches every edge at once. A message with an ``event_id`` is written to
its user's history by each of them, which is the same as once; a message without one goes to the
sockets at hand.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog
from redis.exceptions import RedisError, ResponseError

from models.delivery import Delivery, OutgoingEvent

_WAITING: Final = 10_000
"""Messages kept while Redis is away; the oldest are dropped first. Programs that must not lose
anything write to the outbox instead."""

_PER_ROUND_TRIP: Final = 100
_RETRY_S: Final = 0.2

log = structlog.get_logger("edge.intake")


class MessageMalformed(ValueError):
    """A message from outside that cannot be delivered."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message from outside.

    Attributes:
        user_id: for whom, if the message says so.
        event_id: by what the event is known, if it is to be kept.
        frame: what the browser gets.
    """

    user_id: int | None
    event_id: str | None
    frame: dict[str, Any]


def read_message(data: bytes, *, needs_user: bool) -> Message:
    """Read a message; fields of its own pass through, ``v`` and ``ts`` are added if missing.

    ``id`` is taken out: only a history gives ids.

    Raises:
        MessageMalformed: not a JSON object, no ``type``, or no ``user_id`` where one is needed.
    """
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise MessageMalformed("not JSON") from None
    if not isinstance(fields, dict):
        raise MessageMalformed("not an object")
    if not isinstance(fields.get("type"), str) or not fields["type"]:
        raise MessageMalformed("no type")
    user_id, event_id = fields.get("user_id"), fields.get("event_id")
    if needs_user:
        if isinstance(user_id, str) and user_id.isascii() and user_id.isdigit():
            user_id = int(user_id)
        if type(user_id) is not int or not 0 < user_id < 2**63:
            raise MessageMalformed("no user_id")
    if event_id is not None and (not isinstance(event_id, str) or not event_id):
        raise MessageMalformed("event_id is not a text")
    frame = {name: value for name, value in fields.items() if name not in _NOT_FOR_BROWSERS}
    frame.setdefault("v", 1)
    frame.setdefault("ts", datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z")
    return Message(user_id if needs_user else None, event_id, frame)


_NOT_FOR_BROWSERS: Final = frozenset({"id", "user_id", "event_id"})


class Intake:
    """Writes messages that are to be kept, while :meth:`run` runs."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._waiting: deque[OutgoingEvent] = deque()
        self._has_waiting = asyncio.Event()

    def keep(self, event: OutgoingEvent) -> None:
        """Write this event to its user's history soon."""
        if len(self._waiting) >= _WAITING:
            self._waiting.popleft()
            log.warning("message dropped", reason="too many wait for Redis")
        self._waiting.append(event)
        self._has_waiting.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            while self._waiting:
                count = min(_PER_ROUND_TRIP, len(self._waiting))
                await self._write([self._waiting.popleft() for _ in range(count)])

    async def _write(self, batch: list[OutgoingEvent]) -> None:
        while True:
            try:
                await self._delivery.deliver(batch)
            except ResponseError as error:
                if len(batch) > 1:
                    for event in batch:  # one bad key must not hold up the others
                        await self._write([event])
                else:
                    log.warning("message refused", error=str(error), user_id=batch[0].user_id)
                return
            except (RedisError, OSError) as error:
                log.warning("messages not written", error=type(error).__name__, count=len(batch))
                await asyncio.sleep(_RETRY_S)
            else:
                return
