"""Rows that wait to leave a transaction, the scheduler's ticks, and messages that died.

Whoever changes a row and wants the world to know inserts an :class:`OutboxRow` in the same
transaction; a relay sends it. An insert wakes the relays by ``NOTIFY`` (a trigger does it).
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.columns import Timestamp, UtcDateTime, foreign_key, one_of, primary_key, utc

OUTBOX_CHANNEL = "sns_outbox"
"""``NOTIFY`` channel of an insert into the outbox."""

DUE_CHANNEL = "sns_due"
"""``NOTIFY`` channel of a content that became approved, or whose time moved."""

WORK_CHANNEL = "sns_work"
"""``NOTIFY`` channel of a publishing log that wants a critical worker."""


COLLECT_CHANNEL = "sns_collect"
"""``NOTIFY`` channel of an account whose comments are to be collected."""


class OutboxKind(StrEnum):
    """An event goes to a user's stream, a message to an actor's queue."""

    EVENT = "event"
    MESSAGE = "message"


class OutboxRow(SQLModel, table=True):
    """One thing to send. ``key`` is what receivers know it by: event id or message key.

    An event has ``user_id`` and its frame's fields in ``payload``. A message has ``actor`` and
    ``{"args": […], "kwargs": {…}}``; it is open until its receiver sets ``consumed_at``.
    ``sent_to`` is the replication id of the Redis that took it. Until ``not_before`` the row
    waits, for a detail that is nice to have and may still come. Rows of one ``lane`` leave in row
    order: one that waits holds back those behind it.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        one_of("kind", OutboxKind),
        Index("outbox_unsent", "id", postgresql_where=text("sent_at IS NULL")),
        Index(
            "outbox_unconsumed",
            "sent_at",
            postgresql_where=text("kind = 'message' AND consumed_at IS NULL"),
        ),
        Index("outbox_sent", "sent_at"),
        Index(
            "outbox_lane",
            "lane",
            "id",
            postgresql_where=text("sent_at IS NULL AND lane IS NOT NULL"),
        ),
    )

    id: int | None = primary_key()
    kind: OutboxKind = Field(sa_type=Text)
    key: str = Field(unique=True, sa_type=Text)
    user_id: int | None = foreign_key("users.id", nullable=True)
    actor: str | None = Field(default=None, sa_type=Text)
    payload: dict[str, Any] = Field(sa_type=JSONB)
    trace_id: str = Field(sa_type=Text)
    sends: int = Field(default=0, sa_type=Integer, sa_column_kwargs={"server_default": "0"})
    # Not now(): that is when the transaction began, and the relay's delay is counted from here.
    created_at: Timestamp = utc(server_default="clock_timestamp()")
    not_before: Timestamp = utc()
    lane: str | None = Field(default=None, sa_type=Text)
    sent_at: Timestamp = utc()
    sent_to: str | None = Field(default=None, sa_type=Text)
    consumed_at: Timestamp = utc()


class Tick(SQLModel, table=True):
    """One firing of one job. The key lets any number of schedulers try and one succeed."""

    __tablename__ = "ticks"

    job: str = Field(primary_key=True, sa_type=Text)
    planned_at: Timestamp = Field(default=None, primary_key=True, sa_type=UtcDateTime)
    fired_by: str = Field(sa_type=Text)
    fired_at: Timestamp = utc(server_default="now()")


class DeadLetter(SQLModel, table=True):
    """A message that no actor will run again by itself, with the reason; replayable."""

    __tablename__ = "dead_letters"

    id: int | None = primary_key()
    redis_message_id: str = Field(unique=True, sa_type=Text)
    queue: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    message: dict[str, Any] = Field(sa_type=JSONB)
    reason: str = Field(sa_type=Text)
    died_at: Timestamp = utc(server_default="now()")
    replayed_at: Timestamp = utc()
