"""A person decides what no read of the platform could: it is this post, or it is not live.

The only way out of ``needs_person``. It may also cut a doubt short that is still being looked at.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from engine.errors import InvalidCommand
from engine.ports import AccountAccess, PlatformClient
from engine.rules.explaining import explain
from engine.services.ledger import close_contents
from engine.services.outboxing import consume, put_event
from engine.services.settling import settle
from models.accounts import Platform, TokenVault
from models.events import PublishResult
from models.publishing import PublishingStatus
from models.words import PublishResultStatus

log = structlog.get_logger(__name__)

LINK_TRIES: Final = 3  # links may flicker (Meta error 100/33)
LINK_PAUSE_S: Final = 0.5
OPEN: Final = (PublishingStatus.IN_DOUBT, PublishingStatus.NEEDS_PERSON)

_READ = text("""
SELECT l.id, l.status, l.kind, l.lease_number, l.trace_id, c.created_by AS author_id,
       a.platform, a.platform_user_id, a.sealed_token
FROM publishing_logs l
JOIN contents c ON c.id = l.content_id
JOIN platform_accounts a ON a.id = l.platform_account_id
WHERE l.content_id = :content_id AND l.platform_account_id = :account_id
""")

_DECIDE = text("""
UPDATE publishing_logs
SET status = :after, platform_post_id = CAST(:post_id AS text), platform_post_url = :url,
    error_code = :error_code, error_message = :error_message,
    lease_number = lease_number + 1, lease_owner = NULL, lease_expires_at = NULL, updated_at = now()
WHERE id = :id AND status IN ('in_doubt', 'needs_person')
RETURNING lease_number
""")

_NOTE = text("""
INSERT INTO publishing_attempts (publishing_log_id, number, lease_number, call, is_visible,
    started_at, finished_at, outcome, evidence)
SELECT :id, 1 + coalesce(max(number), 0), :lease_number, 'person', false, now(), now(), :outcome,
       CAST(:evidence AS jsonb)
FROM publishing_attempts WHERE publishing_log_id = :id
""")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says of one post.

    Attributes:
        content_id: of which content.
        account_id: on which account.
        post_id: the live post on the platform; None says that there is none.
        user_id: who says so; None at the command line.
    """

    content_id: int
    account_id: int
    post_id: str | None
    user_id: int | None = None


async def resolve(
    database: AsyncEngine,
    decision: Decision,
    *,
    platforms: Mapping[Platform, PlatformClient],
    vault: TokenVault,
    message_key: str | None = None,
) -> bool:
    """Carry out a decision: bind the named post, or end the post as not live.

    A named post has to be there, on this account, and to belong to no other content. After "not
    live" nothing is sent by itself: it is published again when somebody asks for it.

    Returns:
        False when it was carried out before.

    Raises:
        InvalidCommand: there is nothing to decide, or the named post cannot be it.
        PlatformError: the platform cannot be read now.
    """
    async with database.connect() as connection:
        row = (
            await connection.execute(
                _READ, {"content_id": decision.content_id, "account_id": decision.account_id}
            )
        ).one_or_none()
    if row is None:
        raise InvalidCommand(
            f"content {decision.content_id} was never on its way to account {decision.account_id}"
        )
    if row.status not in OPEN:
        raise InvalidCommand(
            f"content {decision.content_id} on account {decision.account_id} is {row.status}; "
            "only a post in doubt is decided by a person"
        )
    url = None
    if decision.post_id is not None:
        url = await _link_of(row, decision.post_id, platforms, vault)
    async with database.begin() as connection:
        if not await consume(connection, message_key):
            return False
        if decision.post_id is not None:
            await _check_unbound(connection, row.id, decision)
        return await _write(connection, row, decision, url)


async def _link_of(
    row: Any, post_id: str, platforms: Mapping[Platform, PlatformClient], vault: TokenVault
) -> str:
    platform = platforms.get(Platform(row.platform))
    if platform is None or row.sealed_token is None:
        raise InvalidCommand(f"the account cannot be read: {row.platform} is not connected")
    access = AccountAccess(row.platform_user_id, vault.open(row.sealed_token))
    for turn in range(LINK_TRIES):
        if turn:
            await asyncio.sleep(LINK_PAUSE_S)
        url = await platform.read_permalink(access, post_id, row.kind or "")
        if url is not None:
            return url
    raise InvalidCommand(f"{row.platform} shows no post {post_id} to this account")


async def _check_unbound(connection: AsyncConnection, log_id: int, decision: Decision) -> None:
    other = await connection.execute(
        text("""
            SELECT content_id FROM publishing_logs
            WHERE platform_account_id = :account_id AND platform_post_id = :post_id AND id <> :id
        """),
        {"account_id": decision.account_id, "post_id": decision.post_id, "id": log_id},
    )
    found = other.scalar()
    if found is not None:
        raise InvalidCommand(f"post {decision.post_id} belongs to content {found}")


async def _write(
    connection: AsyncConnection, row: Any, decision: Decision, url: str | None
) -> bool:
    is_live = decision.post_id is not None
    message = None if is_live else explain("not_live")
    # The content first, its log second, as everybody who locks both.
    await connection.execute(
        text("SELECT 1 FROM contents WHERE id = :id FOR NO KEY UPDATE"),
        {"id": decision.content_id},
    )
    decided = await connection.execute(
        _DECIDE,
        {
            "id": row.id,
            "after": PublishingStatus.SUCCESS if is_live else PublishingStatus.FAILED,
            "post_id": decision.post_id,
            "url": url,
            "error_code": None if is_live else "not_live",
            "error_message": message,
        },
    )
    lease_number = decided.scalar_one_or_none()
    if lease_number is None:
        return False
    evidence = {"user_id": decision.user_id, "post_id": decision.post_id}
    await connection.execute(
        _NOTE,
        {
            "id": row.id,
            "lease_number": lease_number,
            "outcome": "bound" if is_live else "not_live",
            "evidence": json.dumps(evidence),
        },
    )
    await put_event(
        connection,
        key=f"publish_result:{row.id}:{lease_number}",
        user_id=row.author_id,
        event=PublishResult(
            content_id=decision.content_id,
            platform=Platform(row.platform),
            status=PublishResultStatus.SUCCESS if is_live else PublishResultStatus.FAILED,
            post_url=url,
            error=message,
            trace_id=row.trace_id,
        ),
        trace_id=row.trace_id,
    )
    await close_contents(connection, [decision.content_id])
    await settle(connection, [decision.content_id])
    log.info("decided by a person", content_id=decision.content_id, post_id=decision.post_id)
    return True


async def look_now(database: AsyncEngine, content_id: int) -> int:
    """Have every post of a content that is in doubt looked at now; gives how many there are."""
    async with database.begin() as connection:
        hurried = await connection.execute(
            text("""
                UPDATE publishing_logs SET act_at = now(), updated_at = now()
                WHERE content_id = :id AND status = 'in_doubt' RETURNING id
            """),
            {"id": content_id},
        )
        return len(hurried.all())
