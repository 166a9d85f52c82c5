"""Messages that failed for good, kept in Redis until somebody stores, replays or forgets them."""

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dramatiq import DecodeError, Message

from engine.brokers.held import decode
from engine.brokers.scripts import REPLAY
from engine.brokers.siblings import Siblings

OF_THE_LAST_LIFE = ("reason", "traceback", "retries", "requeue_timestamp", "moved_from")
"""Options that a replayed message must not carry, or it would have no retries left."""


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that will not run again by itself.

    Args:
        redis_message_id: what ``replay`` and ``forget`` know it by.
        queue: the tier it died in.
        actor: empty when the message cannot be decoded.
        message: as ``Message.asdict``; of an undecodable one, ``{"base64": …}``.
        reason: one line, ``ExceptionName: text``.
        traceback: empty when there was none.
        died_at: aware, UTC, by Redis' clock.
    """

    redis_message_id: str
    queue: str
    actor: str
    message: dict[str, Any]
    reason: str
    traceback: str
    died_at: datetime


class DeadLetters:
    """The dead letters of one queue.

    Args:
        siblings: the brokers of this namespace.
        queue: the tier.
        kept_s: older ones are not shown; the next death removes them.
    """

    def __init__(self, siblings: Siblings, queue: str, *, kept_s: float) -> None:
        self._siblings = siblings
        self._queue = queue
        self._kept_s = kept_s
        self._key = f"{siblings.namespace}:{queue}.XQ"

    def oldest(self, limit: int) -> list[DeadMessage]:
        """At most ``limit``, in the order in which they died."""
        client = self._siblings.client
        since_ms = (time.time() - self._kept_s) * 1000
        entries: Any = client.zrange(
            self._key, since_ms, "+inf", byscore=True, offset=0, num=limit, withscores=True
        )
        if not entries:
            return []
        ids = [_text(redis_message_id) for redis_message_id, _ in entries]
        payloads: Any = client.hmget(f"{self._key}.msgs", ids)
        reasons: Any = client.hmget(f"{self._key}.why", ids)
        return [
            self._read(redis_message_id, payload, _text(reason or b""), died_ms)
            for redis_message_id, (_, died_ms), payload, reason in zip(
                ids, entries, payloads, reasons, strict=True
            )
            if payload is not None  # replayed or forgotten since
        ]

    def forget(self, redis_message_ids: Iterable[str]) -> int:
        """Remove them; how many there were."""
        ids = [*redis_message_ids]
        if not ids:
            return 0
        with self._siblings.client.pipeline(transaction=True) as pipe:
            pipe.zrem(self._key, *ids)
            pipe.hdel(f"{self._key}.msgs", *ids)
            pipe.hdel(f"{self._key}.why", *ids)
            return int(pipe.execute()[0])

    def replay(self, redis_message_id: str) -> Message[Any]:
        """Put one back into its queue; raises LookupError when it is gone or unreadable."""
        payload: Any = self._siblings.client.hget(f"{self._key}.msgs", redis_message_id)
        if payload is None:
            raise LookupError(f"no dead letter {redis_message_id!r} in queue {self._queue!r}")
        try:
            message = revived(decode(_bytes(payload)))
        except DecodeError as error:
            raise LookupError(f"dead letter {redis_message_id!r} cannot be decoded") from error
        if not self._siblings.run(REPLAY, self._queue, redis_message_id, message.encode()):
            raise LookupError(f"dead letter {redis_message_id!r} was taken meanwhile")
        return message

    def _read(
        self, redis_message_id: str, payload: bytes | str, reason: str, died_ms: float
    ) -> DeadMessage:
        died_at = datetime.fromtimestamp(died_ms / 1000, UTC)
        try:
            message = decode(_bytes(payload))
        except DecodeError:
            raw = {"base64": base64.b64encode(_bytes(payload)).decode()}
            return DeadMessage(redis_message_id, self._queue, "", raw, reason, "", died_at)
        return DeadMessage(
            redis_message_id,
            self._queue,
            message.actor_name,
            message.asdict(),
            reason,
            message.options.get("traceback", ""),
            died_at,
        )


def revived(message: Message[Any]) -> Message[Any]:
    """The message without the marks of its failures."""
    message = message.copy()
    for option in OF_THE_LAST_LIFE:
        message.options.pop(option, None)
    return message


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
