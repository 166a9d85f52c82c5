"""Sending many messages at once from asyncio: the outbox relay's road into the queues."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from dramatiq import Message
from redis.exceptions import NoScriptError

from engine.brokers.broker import addressed
from engine.brokers.scripts import ENQUEUE
from engine.brokers.siblings import NAMESPACE

MESSAGES_PER_CALL = 250
"""Redis does nothing else while it runs a script; this many take it about a millisecond."""


async def deliver_messages(
    client: redis.asyncio.Redis,
    messages: Sequence[Message[Any]],
    *,
    namespace: str = NAMESPACE,
) -> int:
    """Put messages of any tier into their queues, in order, and wake the workers.

    A message's ``queue_name`` is its tier. One whose option ``message_key`` is ready, delayed or
    running is not added again; once it has finished, it would be, so receivers drop what they
    have seen. The option ``delay`` (ms) is honoured.

    Returns:
        How many were added.

    Raises:
        redis.RedisError: some may have been added; with keys, repeating is safe.
    """
    added = 0
    for start in range(0, len(messages), MESSAGES_PER_CALL):
        args: list[Any] = []
        for message in messages[start : start + MESSAGES_PER_CALL]:
            put = addressed(message, message.queue_name)
            delay_ms = put.options.get("delay", "")
            args += [put.queue_name, put.options["redis_message_id"], delay_ms, put.encode()]
        try:
            added += await client.evalsha(ENQUEUE.sha, 1, namespace, *args)
        except NoScriptError:
            added += await client.eval(ENQUEUE.source.decode(), 1, namespace, *args)
    return added
