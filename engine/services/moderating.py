"""Hides comments, shows them again, deletes them: what may be said twice without harm."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from engine.errors import InputInvalid, InvalidCommand, ReconnectNeeded, Unsupported
from engine.ports import AccountAccess, InboxClient
from engine.rules.explaining import explain_moderation
from engine.services.notifying import notify
from engine.services.outboxing import consume
from models.accounts import Platform, TokenUnreadable, TokenVault
from models.events import Reference
from models.words import Priority

log = structlog.get_logger(__name__)

Action = Literal["hide", "unhide", "delete"]

CANNOT: Final = (Unsupported, InputInvalid, ReconnectNeeded)
"""What trying again does not mend."""

_READ = text("""
SELECT c.platform_comment_id AS comment_id, c.author_name, c.is_hidden, c.deleted_at, a.platform,
       a.platform_user_id, a.sealed_token
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
        InvalidCommand: there is no such comment, or its account is not connected.
        Unsupported, InputInvalid, ReconnectNeeded: it cannot be done; whoever asked has been told.
        PlatformError: not now; ask again.
    """
    async with database.connect() as connection:
        row = (await connection.execute(_READ, {"id": comment_id})).one_or_none()
    if row is None:
        raise InvalidCommand(f"there is no comment {comment_id}")
    platform = Platform(row.platform)
    inbox = inboxes.get(platform)
    if inbox is None or row.sealed_token is None:
        raise InvalidCommand(f"the account cannot be used: {row.platform} is not connected")
    try:
        access = AccountAccess(row.platform_user_id, vault.open(row.sealed_token))
        if action == "delete":
            await inbox.delete_comment(access, row.comment_id)
        else:
            await inbox.set_hidden(access, row.comment_id, is_hidden=action == "hide")
    except TokenUnreadable:
        raise InvalidCommand("the stored token cannot be opened") from None
    except CANNOT as error:
        await _tell(database, row, comment_id, action, user_id, str(error), message_key)
        raise
    async with database.begin() as connection:
        await consume(connection, message_key)
        if action == "delete":
            await connection.execute(_DELETE, {"id": comment_id})
        else:
            await connection.execute(_HIDE, {"id": comment_id, "is_hidden": action == "hide"})
    log.info("moderated", comment_id=comment_id, action=action)


async def _tell(
    database: AsyncEngine,
    row: Any,
    comment_id: int,
    action: Action,
    user_id: int | None,
    why: str,
    message_key: str | None,
) -> None:
    async with database.begin() as connection:
        await consume(connection, message_key)
        if user_id is None:
            log.warning("cannot moderate", comment_id=comment_id, action=action, why=why)
            return
        title, message = explain_moderation(row.author_name, Platform(row.platform), action, why)
        await notify(
            connection,
            key=f"moderate:{comment_id}:{action}:{message_key or uuid4().hex}",
            user_id=user_id,
            title=title,
            message=message,
            priority=Priority.HIGH,
            reference=Reference(kind="comment", id=comment_id),
            trace_id=uuid4().hex,
        )
