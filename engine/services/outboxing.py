"""Rows into the outbox, inside the transaction that caused them; and their consumption."""

import json
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.events import Event

_INSERT = text("""
INSERT INTO outbox (kind, key, user_id, actor, payload, trace_id)
VALUES (:kind, :key, :user_id, :actor, CAST(:payload AS jsonb), :trace_id)
ON CONFLICT (key) DO NOTHING
""")


async def put_event(
    connection: AsyncConnection,
    *,
    key: str,
    user_id: int,
    event: Event,
    trace_id: str,
) -> None:
    """Tell ``user_id``; does nothing when ``key`` was told before."""
    await connection.execute(
        _INSERT,
        {
            "kind": "event",
            "key": key,
            "user_id": user_id,
            "actor": None,
            "payload": json.dumps(event.to_wire(), ensure_ascii=False),
            "trace_id": trace_id,
        },
    )


async def put_message(
    connection: AsyncConnection, *, key: str, actor: str, args: list[Any], trace_id: str
) -> None:
    """Have ``actor`` run with ``args``; does nothing when ``key`` was asked before."""
    await connection.execute(
        _INSERT,
        {
            "kind": "message",
            "key": key,
            "user_id": None,
            "actor": actor,
            "payload": json.dumps({"args": args, "kwargs": {}}, ensure_ascii=False),
            "trace_id": trace_id,
        },
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
