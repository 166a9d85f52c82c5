"""Hides comments, shows them again, deletes them: what may be said twice without harm."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import (
    InputInvalid,
    InvalidCommand,
    PlatformError,
    ReconnectNeeded,
    Unsupported,
)
from engine.ports import AccountAccess, InboxClient
from engine.rules.explaining import explain_moderation
from engine.services.disconnecting import disconnect
from engine.services.notifying import notify
from engine.services.outboxing import consume
from models.accounts import Platform, TokenUnreadable, TokenVault
from models.events import Reference
from models.words import Priority

log = structlog.get_logger(__name__)

Action = Literal["hide", "unhide", "delete"]

RECONNECT: Final = "계정 연결이 끊어졌습니다. 계정을 다시 연결한 뒤 다시 시도해 주세요."
REFUSED: Final = "플랫폼이 요청을 받지 않았습니다. 앱에서 직접 확인해 주세요."

CANNOT: Final = (Unsupported, InputInvalid, ReconnectNeeded)
"""What trying again does not mend."""

_READ = text("""
SELECT c.platform_comment_id AS comment_id, c.author_name, c.is_hidden, c.deleted_at, a.platform,
       a.id AS account_id, a.platform_user_id, a.sealed_token
FROM comments_inbox c JOIN platform_accounts a ON a.id = c.platform_account_id
WHERE c.id = :id
""")

_HIDE = text("""
UPDATE comments_inbox SET is_hidden = :is_hidden, updated_at = now()
WHERE id = :id AND is_hidden <> :is_hidden
""")

_DELETE = text("""
UPDATE comments_inbox SET deleted_at = now(), updated_at = now()
WHERE id = :id AND deleted_at IS NULL
""")


async def moderate(
    database: AsyncEngine,
    *,
    comment_id: int,
    action: Action,
    user_id: int | None,
    inboxes: Mapping[Platform, InboxClient],
    vault: TokenVault,
    message_key: str | None = None,
) -> None:
    """Do at the platform what a person decided, and keep it in the inbox.

    A crash in between is mended by asking again.

    Args:
        database: PostgreSQL.
        comment_id: of the row.
        action: what to do.
        user_id: who wished it, and is told when it cannot be done.
        inboxes: the client of each platform.
        vault: opens the account's token.
        message_key: consumed with the change when a message asked for it.

    Raises:
        InvalidCommand: there is no such comment, or no client for its platform.
        Unsupported, InputInvalid, ReconnectNeeded: it cannot be done; whoever asked has been told.
        PlatformError: not now; ask again.
    """
    async with database.connect() as connection:
        row = (await connection.execute(_READ, {"id": comment_id})).one_or_none()
    if row is None:
        raise InvalidCommand(f"there is no comment {comment_id}")
    platform = Platform(row.platform)
    inbox = inboxes.get(platform)
    if inbox is None:
        raise InvalidCommand(f"the account cannot be used: {row.platform} is not connected")
    try:
        access = _access_of(row, vault)
        if action == "delete":
            await inbox.delete_comment(access, row.comment_id)
        else:
            await inbox.set_hidden(access, row.comment_id, is_hidden=action == "hide")
    except CANNOT as error:
        await _give_up(database, row, comment_id, action, user_id, error, message_key)
        raise
    async with database.begin() as connection:
        await consume(connection, message_key)
        if action == "delete":
            await connection.execute(_DELETE, {"id": comment_id})
        else:
            await connection.execute(_HIDE, {"id": comment_id, "is_hidden": action == "hide"})
    log.info("moderated", comment_id=comment_id, action=action)


def _access_of(row: Any, vault: TokenVault) -> AccountAccess:
    """The right to act as the comment's account.

    Raises:
        ReconnectNeeded: there is no token, or none that opens.
    """
    if row.sealed_token is None:
        raise ReconnectNeeded("the account has no token", code="token-missing")
    try:
        return AccountAccess(row.platform_user_id, vault.open(row.sealed_token))
    except TokenUnreadable:
        raise ReconnectNeeded(
            "the stored token cannot be opened", code="token-unreadable"
        ) from None


async def _give_up(
    database: AsyncEngine,
    row: Any,
    comment_id: int,
    action: Action,
    user_id: int | None,
    error: PlatformError,
    message_key: str | None,
) -> None:
    """Mark an account whose token is dead, and tell whoever asked."""
    trace_id = uuid4().hex
    async with database.begin() as connection:
        await consume(connection, message_key)
        if isinstance(error, ReconnectNeeded) and row.sealed_token is not None:
            await disconnect(
                connection,
                account_id=row.account_id,
                used=row.sealed_token,
                code=error.code,
                now=datetime.now(UTC),
                trace_id=trace_id,
            )
        log.warning("cannot moderate", comment_id=comment_id, action=action, code=error.code)
        if user_id is None:
            return
        title, message = explain_moderation(
            row.author_name, Platform(row.platform), action, _why(error)
        )
        await notify(
            connection,
            key=f"moderate:{comment_id}:{action}:{message_key or trace_id}",
            user_id=user_id,
            title=title,
            message=message,
            priority=Priority.HIGH,
            reference=Reference(kind="comment", id=comment_id),
            trace_id=trace_id,
        )


def _why(error: PlatformError) -> str:
    """In Korean; what cannot be done at all, the adapters say so themselves."""
    if isinstance(error, Unsupported):
        return str(error)
    return RECONNECT if isinstance(error, ReconnectNeeded) else REFUSED
