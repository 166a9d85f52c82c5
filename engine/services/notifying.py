"""Notifications: the row that stays, and the event that rings, in one transaction."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.services.outboxing import put_event
from models.events import NotificationEvent, Reference
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
    """Write a notification for ``user_id`` and tell their browsers; gives its id."""
    notification_id: int = (
        await connection.execute(
            text("""
                INSERT INTO notifications (user_id, title, message, priority, reference)
                VALUES (:user_id, :title, :message, :priority, CAST(:reference AS jsonb))
                RETURNING id
            """),
            {
                "user_id": user_id,
                "title": title,
                "message": message,
                "priority": priority,
                "reference": reference.model_dump_json() if reference else None,
            },
        )
    ).scalar_one()
    await put_event(
        connection,
        key=key,
        user_id=user_id,
        event=NotificationEvent(
            notification_id=notification_id,
            title=title,
            message=message,
            priority=priority,
            reference=reference,
            trace_id=trace_id,
        ),
        trace_id=trace_id,
    )
    return notification_id
