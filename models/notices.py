"""Notifications: what a user should know, kept until it is read."""

from typing import Any

from sqlalchemy import Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, foreign_key, one_of, primary_key, utc
from models.words import Priority as Priority


class Notification(SQLModel, table=True):
    """One notice to one user; ``reference`` is ``{"kind": …, "id": …}`` or null."""

    __tablename__ = "notifications"
    __table_args__ = (
        one_of("priority", Priority),
        Index("notifications_of_user", "user_id", "id"),
        Index("notifications_unread", "user_id", "id", postgresql_where=text("read_at IS NULL")),
    )

    id: int | None = primary_key()
    user_id: int = foreign_key("users.id")
    title: str = Field(sa_type=Text)
    message: str = Field(sa_type=Text)
    priority: Priority = Field(default=Priority.NORMAL, sa_type=Text)
    reference: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    read_at: Timestamp = utc()
    created_at: Timestamp = utc(server_default="now()")
