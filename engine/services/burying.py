"""Moves messages that died in Redis into the table of dead letters, where they are kept."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)


class Dead(Protocol):
    """A message that will not run again by itself, as its broker shows it."""

    @property
    def redis_message_id(self) -> str: ...  # noqa: D102
    @property
    def queue(self) -> str: ...  # noqa: D102
    @property
    def actor(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def died_at(self) -> datetime: ...  # noqa: D102


async def bury(
    database: AsyncEngine,
    *,
    take: Callable[[], Sequence[Dead]],
    forget: Callable[[Sequence[str]], object],
) -> int:
    """Store the dead of one tier, then have the broker forget them; gives how many.

    A crash in between stores them twice under the same key, which changes nothing. A relayed
    message that died is marked consumed, or its row would be sent again for ever.

    Args:
        database: PostgreSQL.
        take: blocks; reads dead letters without removing them.
        forget: blocks; removes those ids.
    """
    dead = await asyncio.to_thread(take)
    if not dead:
        return 0
    async with database.begin() as connection:
        for letter in dead:
            await connection.execute(
                text("""
                    INSERT INTO dead_letters
                        (redis_message_id, queue, actor, message, reason, died_at)
                    VALUES (:id, :queue, :actor, CAST(:message AS jsonb), :reason, :died_at)
                    ON CONFLICT (redis_message_id) DO UPDATE
                    SET reason = excluded.reason, died_at = excluded.died_at, replayed_at = NULL
                """),
                {
                    "id": letter.redis_message_id,
                    "queue": letter.queue,
                    "actor": letter.actor,
                    "message": json.dumps(letter.message, ensure_ascii=False, default=str),
                    "reason": letter.reason,
                    "died_at": letter.died_at,
                },
            )
            await connection.execute(
                text("UPDATE outbox SET consumed_at = now() WHERE key = :key"),
                {"key": letter.message.get("options", {}).get("message_key")},
            )
            log.error("dead letter", actor=letter.actor, queue=letter.queue, reason=letter.reason)
    await asyncio.to_thread(forget, [letter.redis_message_id for letter in dead])
    return len(dead)
