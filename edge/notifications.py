"""The notification centre: what a user was told, what of it they have read."""

from typing import Annotated, Any, Final, Literal

import orjson
import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from redis.exceptions import RedisError

from edge.fields import Cursor, Id, Instant, Next, Storable
from edge.operations import Context, Nothing, Operation
from models import steps
from models.delivery import Count
from models.events import Reference
from models.words import Priority

log = structlog.get_logger("edge.notifications")


class NotificationsPage(BaseModel):
    """Which notifications; all filters must fit."""

    model_config = ConfigDict(extra="forbid")

    before: Cursor = None
    limit: int = Field(default=50, ge=1, le=100)
    unread: bool | None = Field(default=None, description="false: only those that were read")
    priority: Annotated[
        list[Priority] | None,
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    ] = Field(default=None, max_length=4, description="any of these")
    kind: Storable | None = Field(
        default=None, max_length=100, description="`reference.kind`, such as content"
    )


class NotificationItem(BaseModel):
    """One notification."""

    notification_id: int
    title: str
    message: str
    priority: Priority
    reference: Reference | None
    read_at: Instant | None
    created_at: Instant


class NotificationList(BaseModel):
    """A page, newest first."""

    items: list[NotificationItem]
    next: Next


class ReadNotifications(BaseModel):
    """Ids of what was read; those of other users and unknown ones are passed over."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Id] = Field(min_length=1, max_length=500)


class ReadAllNotifications(BaseModel):
    """``up_to`` is the newest that was on the screen; what came later stays unread."""

    model_config = ConfigDict(extra="forbid")

    up_to: Id | None = None


class NotificationsMarked(BaseModel):
    """How many became read by this, and how many are unread now."""

    read: int = Field(ge=0)
    unread: int = Field(ge=0)


class UnreadCount(BaseModel):
    """How many are unread; ``source`` says who knew."""

    unread: int = Field(ge=0)
    source: Literal["cache", "database"]


async def list_notifications(
    context: Context, page: NotificationsPage, _: Nothing
) -> NotificationList:
    """One more row than asked for tells whether there is a next page."""
    async with context.database.transaction() as connection:
        rows = await steps.list_notifications(
            connection,
            user_id=context.identity.user_id,
            before=page.before,
            limit=page.limit + 1,
            is_unread=page.unread,
            priorities=page.priority,
            reference_kind=page.kind,
        )
    items = [_item(row) for row in rows[: page.limit]]
    return NotificationList(
        items=items, next=items[-1].notification_id if len(rows) > page.limit else None
    )


async def mark_read(context: Context, _: Nothing, body: ReadNotifications) -> NotificationsMarked:
    """The other tabs hear of it through the outbox."""
    async with context.database.transaction() as connection:
        marked = await steps.mark_read(
            connection, user_id=context.identity.user_id, ids=sorted(set(body.ids))
        )
    return NotificationsMarked(read=marked.read, unread=marked.unread)


async def mark_all_read(
    context: Context, _: Nothing, body: ReadAllNotifications
) -> NotificationsMarked:
    """The other tabs hear of it through the outbox."""
    async with context.database.transaction() as connection:
        marked = await steps.mark_all_read(
            connection, user_id=context.identity.user_id, up_to=body.up_to
        )
    return NotificationsMarked(read=marked.read, unread=marked.unread)


async def count_unread(context: Context, _: Nothing, __: Nothing) -> UnreadCount:
    """Redis's count if it has one, else PostgreSQL's, which is then kept in Redis.

    Either server may be away: the other one answers.
    """
    user_id = context.identity.user_id
    count: Count | None = None
    try:
        count = await context.delivery.count_unread(user_id)
        if count.unread is not None:
            return UnreadCount(unread=count.unread, source="cache")
    except (RedisError, OSError) as error:
        log.warning("unread count not in reach", error=type(error).__name__)
    async with context.database.transaction() as connection:
        # In this order: all that was counted is then either delivered by now, or seen to wait. What
        # was delivered since Redis was asked has moved the history on, and nothing is kept.
        unread = await steps.count_unread(connection, user_id)
        is_settled = await steps.are_all_delivered(connection, user_id)
    if count is not None and is_settled:
        try:
            await context.delivery.recount(user_id, count.position, unread)
        except (RedisError, OSError) as error:
            log.warning("unread count not kept", error=type(error).__name__)
    return UnreadCount(unread=unread, source="database")


def _item(row: Any) -> NotificationItem:
    reference = row["reference"]
    return NotificationItem(
        notification_id=row["id"],
        title=row["title"],
        message=row["message"],
        priority=row["priority"],
        reference=None if reference is None else orjson.loads(reference),
        read_at=row["read_at"],
        created_at=row["created_at"],
    )


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/notifications",
        name="listNotifications",
        summary="A page of the user's notifications, newest first",
        handle=list_notifications,
        parameters=NotificationsPage,
        answer=NotificationList,
    ),
    Operation(
        method="GET",
        path="/notifications/unread",
        name="countUnreadNotifications",
        summary="How many notifications the user has not read",
        handle=count_unread,
        answer=UnreadCount,
    ),
    Operation(
        method="POST",
        path="/notifications/read",
        name="readNotifications",
        summary="Mark notifications read; the user's other tabs are told",
        handle=mark_read,
        body=ReadNotifications,
        answer=NotificationsMarked,
    ),
    Operation(
        method="POST",
        path="/notifications/read-all",
        name="readAllNotifications",
        summary="Mark all notifications read; the user's other tabs are told",
        handle=mark_all_read,
        body=ReadAllNotifications,
        answer=NotificationsMarked,
    ),
)
