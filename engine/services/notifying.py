"""Notifications: the row that stays, and the event that rings, in one transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from models import steps
from models.database import PlainStatements
from models.events import Reference
from models.words import Priority


async def notify(
    connection: AsyncConnection,
    *,
    key: str,
    user_id: int,
    title: str,
    message: str,
    priority: Priority,
    trace_id: str,
    reference: Reference | None = None,
) -> int:
    """Write a notification for ``user_id`` and tell their browsers; gives its id.

    Idempotent by ``key``: a repeated one writes nothing and gives the id of the first.
    """
    return await steps.notify(
        PlainStatements(connection),
        key=key,
        user_id=user_id,
        title=title,
        message=message,
        priority=priority,
        trace_id=trace_id,
        reference=reference,
    )
