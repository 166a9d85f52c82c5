"""Takes a live post down again, where the platform allows it."""

import json
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import InvalidCommand, Unsupported
from engine.ports import AccountAccess, PlatformClient
from engine.rules.explaining import explain_deletion
from engine.services.notifying import notify
from engine.services.outboxing import consume
from models.accounts import Platform, TokenVault
from models.events import Reference
from models.publishing import PublishingStatus
from models.words import Priority

log = structlog.get_logger(__name__)

_READ = text("""
SELECT l.id, l.status, l.kind, l.platform_post_id AS post_id, l.lease_number, l.trace_id, c.title,
       c.created_by AS author_id, a.platform, a.platform_user_id, a.sealed_token
FROM publishing_logs l
JOIN contents c ON c.id = l.content_id
JOIN platform_accounts a ON a.id = l.platform_account_id
WHERE l.content_id = :content_id AND l.platform_account_id = :account_id
""")

_MARK = text("""
WITH moved AS (
    UPDATE publishing_logs SET status = 'deleted', updated_at = now()
    WHERE id = :id AND status = 'success' RETURNING id
)
INSERT INTO publishing_attempts (publishing_log_id, number, lease_number, call, is_visible,
    started_at, finished_at, outcome, evidence)
SELECT id, 1 + coalesce((SELECT max(number) FROM publishing_attempts
                         WHERE publishing_log_id = :id), 0),
       :lease_number, 'delete', false, now(), now(), 'deleted', CAST(:evidence AS jsonb)
FROM moved
RETURNING publishing_log_id
""")


async def delete_post(
    database: AsyncEngine,
    *,
    content_id: int,
    account_id: int,
    user_id: int | None,
    platforms: Mapping[Platform, PlatformClient],
    vault: TokenVault,
    message_key: str | None = None,
) -> bool:
    """Delete a live post at the platform, and mark it deleted.

    Deleting is idempotent, so a crash in between is mended by asking again.

    Args:
        database: PostgreSQL.
        content_id: of which content.
        account_id: on which account.
        user_id: who wished it, and is told what came of it; the author when None.
        platforms: the client of each platform.
        vault: opens the account's token.
        message_key: consumed with the change when a message asked for it.

    Returns:
        False when it is deleted already.

    Raises:
        InvalidCommand: there is no live post to delete.
        Unsupported: the platform cannot delete it; whoever asked has been told.
        PlatformError: not now; ask again.
    """
    async with database.connect() as connection:
        row = (
            await connection.execute(_READ, {"content_id": content_id, "account_id": account_id})
        ).one_or_none()
    if row is None or row.status not in (PublishingStatus.SUCCESS, PublishingStatus.DELETED):
        state = "not on its way there" if row is None else row.status
        raise InvalidCommand(
            f"content {content_id} on account {account_id} is {state}; only a live post is deleted"
        )
    if row.status == PublishingStatus.DELETED:
        return False
    platform = platforms.get(Platform(row.platform))
    if platform is None or row.sealed_token is None:
        raise InvalidCommand(f"the account cannot be used: {row.platform} is not connected")
    access = AccountAccess(row.platform_user_id, vault.open(row.sealed_token))
    try:
        await platform.delete(access, row.post_id, row.kind or "")
    except Unsupported:
        await _tell(database, row, content_id, user_id, is_deleted=False, message_key=message_key)
        raise
    await _tell(database, row, content_id, user_id, is_deleted=True, message_key=message_key)
    log.info("deleted", content_id=content_id, post_id=row.post_id)
    return True


async def _tell(
    database: AsyncEngine,
    row: Any,
    content_id: int,
    user_id: int | None,
    *,
    is_deleted: bool,
    message_key: str | None,
) -> None:
    title, message = explain_deletion(row.title, Platform(row.platform), is_deleted=is_deleted)
    async with database.begin() as connection:
        await consume(connection, message_key)
        if is_deleted:
            await connection.execute(
                _MARK,
                {
                    "id": row.id,
                    "lease_number": row.lease_number,
                    "evidence": json.dumps({"user_id": user_id, "post_id": row.post_id}),
                },
            )
        await notify(
            connection,
            key=f"delete:{row.id}:{is_deleted}",
            user_id=user_id or row.author_id,
            title=title,
            message=message,
            priority=Priority.NORMAL if is_deleted else Priority.HIGH,
            reference=Reference(kind="content", id=content_id),
            trace_id=row.trace_id,
        )
