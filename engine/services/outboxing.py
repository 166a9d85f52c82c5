"""Rows into the outbox, inside the transaction that caused them; and their consumption."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models import outgoing
from models.audience import Audience
from models.database import PlainStatements
from models.events import Event


async def put_event(
    connection: AsyncConnection,
    *,
    key: str,
    user_id: int,
    event: Event,
    trace_id: str,
) -> None:
    """Tell ``user_id``; does nothing when ``key`` was told before."""
    await outgoing.put_event(
        PlainStatements(connection), key=key, user_id=user_id, event=event, trace_id=trace_id
    )


async def tell(
    connection: AsyncConnection, audience: Audience, *, key: str, event: Event, trace_id: str
) -> list[int]:
    """Tell everyone in ``audience`` who was not told by ``key`` before; gives their ids."""
    return await outgoing.tell(
        PlainStatements(connection), audience, key=key, event=event, trace_id=trace_id
    )


async def put_message(
    connection: AsyncConnection, *, key: str, actor: str, args: list[Any], trace_id: str
) -> None:
    """Have ``actor`` run with ``args``; does nothing when ``key`` was asked before."""
    await outgoing.put_message(
        PlainStatements(connection), key=key, actor=actor, args=args, trace_id=trace_id
    )


async def consume(connection: AsyncConnection, message_key: str | None) -> bool:
    """Mark a relayed message consumed in the receiver's own transaction.

    Args:
        connection: in the transaction that does what the message asks.
        message_key: None for a message that did not come through the outbox.

    Returns:
        False when it was consumed before: the receiver then does nothing.
    """
    if message_key is None:
        return True
    result = await connection.execute(
        text("UPDATE outbox SET consumed_at = now() WHERE key = :key AND consumed_at IS NULL"),
        {"key": message_key},
    )
    return bool(result.rowcount)
